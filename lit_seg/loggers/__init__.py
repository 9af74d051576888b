"""The loggers of a run: CSV files in its folder, and W&B."""
