"""From trained weights to the labels of an image: views of it, their mean, and its size again."""
