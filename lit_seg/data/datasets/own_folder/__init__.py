"""A dataset of your own: a folder of images and masks, described by options."""
