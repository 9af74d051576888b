"""Diagnoses from the files of a run whether class imbalance is its bottleneck."""
