"""Losses for class-imbalanced segmentation, and the training of each class recorded over time."""
