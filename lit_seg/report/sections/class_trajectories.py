"""Shows what happens to each class while each loss trains (recall loss paper, Fig. 4)."""

from functools import partial

import pandas as pd
from matplotlib.axes import Axes

from lit_seg.analysis.class_figures import plot_class_lines, plot_recalls, trajectories
from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.trajectories import TRAJECTORIES
from lit_seg.report.blocks import Choice, Figure, Panel, Section, Table, Text
from lit_seg.report.images import draw_panel, text_width
from lit_seg.runs.csv_rows import most_changed, read_recalls

_NOTE = (
    "As Fig. 4 of the recall loss paper, for every loss. **1 − recall** is the weight that recall "  # noqa: RUF001
    "loss gives a class, **focal weight** the mean of 1 − p over its {unit}s; both are shares of "  # noqa: RUF001
    "all classes, whatever loss trains. Where their **ratio** is above 1, recall loss would weigh "
    "the class more than focal loss. **Gradient share** is the share of the class's {unit}s in the "
    "sum of |∂L/∂z| of the loss that trains. One line per class: mean over seeds, smoothed. Blue "
    "is {frequent}, vermilion is {rare}, green is between. All losses share one axis."
)

_MOVED = 6
_SINGLE = (
    f"Validation recall, mean over seeds: of each loss the {_MOVED} classes that changed most from "
    "the first to the last quarter of the validations, and those that `--classes` names."
)


def section(comparison: Comparison) -> Section | None:
    """Make a figure per statistic, with a small plot per loss."""
    options: list[tuple[str, Table | Figure]] = []
    for stat, name in TRAJECTORIES.items():
        if panels := _panels(comparison, stat):
            alt = f"{name} per class against optimizer steps"
            options.append((name, Figure(f"trajectories_{stat}", alt, "", panels)))
    if panels := _single(comparison):
        alt = "Recall of single classes at each validation against optimizer steps"
        figure = Figure("trajectories_classes", alt, _SINGLE, panels)
        options.append(("Recall of single classes", figure))
    if not options:
        return None
    words = comparison.words
    note = _NOTE.format(unit=words.unit, frequent=words.frequent, rare=words.rare)
    return Section("trajectories", "Class dynamics", [Text(note), Choice("Statistic", options)])


def _panels(comparison: Comparison, stat: str) -> list[Panel]:
    table = trajectories(comparison, stat)
    letters = max((len(str(name)) for name in table["class"].unique()), default=0)
    drawn = set(table["method"])

    def draw(label: str, axes: Axes) -> None:
        if stat == "recall_focal_ratio":
            axes.set_yscale("log")
        plot_class_lines(comparison, table, label, axes)

    return [
        draw_panel(
            method.label, partial(draw, method.label), height=250, left=40, right=16 + 6 * letters
        )
        for method in comparison.methods
        if method.label in drawn
    ]


def _single(comparison: Comparison) -> list[Panel]:
    """Draw single classes of runs whose classes are too many to log each."""
    panels = []
    for method in comparison.methods:
        tables = [table for run in method.runs if len(table := read_recalls(run.path))]
        if not tables:
            continue
        mean = pd.concat(tables).groupby(level=0).mean()
        names = list(dict.fromkeys([*comparison.watched, *most_changed(mean, _MOVED)]))
        panels.append(
            draw_panel(
                method.label,
                partial(plot_recalls, mean[names]),
                height=250,
                right=20 + text_width(names),
            )
        )
    return panels
