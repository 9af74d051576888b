"""Datasets for classification, one per file."""
