"""The folder of a run: its layout, name, lock, summary, and the reader of its records."""
