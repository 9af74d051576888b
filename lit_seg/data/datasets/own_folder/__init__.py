"""Your own folder of images and masks."""
