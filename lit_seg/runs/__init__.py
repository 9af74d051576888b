"""The folder of a run: its layout and name, its checkpoints, and the reader of its records."""
