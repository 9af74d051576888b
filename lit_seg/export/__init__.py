"""Writes a trained network as one file that runs where lit_seg is not installed, and its card."""
