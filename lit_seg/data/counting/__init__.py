"""Looking at every label of a split: counts of classes, kept for the next time."""
