"""Pictures as arrays: how they are read, resized, coloured and saved; none needs Lightning."""
