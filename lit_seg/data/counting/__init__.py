"""Counts the classes over every label of a split, and caches the counts."""
