"""Reading runs back. Needs the ``notebooks`` extra (pandas, matplotlib)."""

from lit_seg.analysis.figures import plot_trajectories
from lit_seg.analysis.runs import load_classes, load_metrics, newest_run

__all__ = ["load_classes", "load_metrics", "newest_run", "plot_trajectories"]
