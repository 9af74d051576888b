"""Losses that only classification has: over features, and over many classes with few images."""
