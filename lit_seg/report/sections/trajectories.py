"""What happens to each class while each loss trains. Recall loss paper, Fig. 4."""

from functools import partial

import pandas as pd
from matplotlib.axes import Axes

from lit_seg.analysis.class_figures import plot_class_lines, trajectories
from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.trajectories import TRAJECTORIES
from lit_seg.report import texts
from lit_seg.report.blocks import Choice, Figure, Panel, Section, Table, Text
from lit_seg.report.images import draw_panel

_LOGARITHMIC = ("recall_focal_ratio",)
_NAMES = {
    "miss_norm": "1 − recall",  # noqa: RUF001
    "focal_norm": "Focal weight",
    "recall_focal_ratio": "Their ratio",
    "gradient_share": "Gradient share",
    "recall": "Recall",
}


def section(comparison: Comparison) -> Section | None:
    """A small plot per loss, one statistic at a time."""
    options: list[tuple[str, Table | Figure]] = []
    for stat, words in TRAJECTORIES.items():
        if panels := _panels(comparison, stat):
            name, alt = f"trajectories_{stat}", f"{words} per class against optimizer steps"
            options.append((_NAMES[stat], Figure(name, alt, texts.TRAJECTORIES_CAPTION, panels)))
    if not options:
        return None
    note = Text(texts.TRAJECTORIES_NOTE)
    return Section("trajectories", "Class dynamics", [note, Choice("Statistic", options)])


def _panels(comparison: Comparison, stat: str) -> list[Panel]:
    table = trajectories(comparison, stat)
    letters = max((len(str(name)) for name in table["class"].unique()), default=0)
    drawn = set(table["arm"])
    return [
        draw_panel(
            arm.label,
            partial(_draw, comparison, table, arm.label, stat in _LOGARITHMIC),
            height=250,
            left=40,
            right=16 + 6 * letters,
        )
        for arm in comparison.arms
        if arm.label in drawn
    ]


def _draw(
    comparison: Comparison, table: pd.DataFrame, label: str, logarithmic: bool, axes: Axes
) -> None:
    if logarithmic:
        axes.set_yscale("log")
    plot_class_lines(comparison, table, label, axes)
