"""Logs the numbers of a run: to CSV files in its folder, and to W&B."""
