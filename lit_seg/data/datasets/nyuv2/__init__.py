"""NYUv2 in the layouts that it is passed on in."""
