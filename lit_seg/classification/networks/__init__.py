"""Networks that turn images into features, with a last block that can be trained by itself."""
