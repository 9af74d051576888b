"""Losses for imbalanced semantic segmentation, and what happens to each class as they train."""
