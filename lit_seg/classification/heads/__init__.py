"""What turns features into scores of classes: one file each."""
