"""Counting the classes in the labels of a split, and keeping the counts."""
