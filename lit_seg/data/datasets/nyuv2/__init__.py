"""NYUv2, from each of the file layouts in which it is distributed."""
