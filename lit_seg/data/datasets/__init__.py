"""The datasets: one module or package with a DataModule for each."""
