"""Compares runs in numbers and figures. It needs the ``notebooks`` extra (matplotlib)."""

from lit_seg.analysis.comparison import Comparison, compare
from lit_seg.analysis.figures import plot_trajectories
from lit_seg.runs.reader import load_dataset, load_images, load_runs, newest_run, run_folders

__all__ = [
    "Comparison",
    "compare",
    "load_dataset",
    "load_images",
    "load_runs",
    "newest_run",
    "plot_trajectories",
    "run_folders",
]
