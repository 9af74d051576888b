"""What happened to each class while each loss trained. Recall loss paper, Fig. 4."""

from functools import partial

from matplotlib.axes import Axes

from lit_seg.analysis.class_figures import plot_class_lines, trajectories
from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.trajectories import TRAJECTORIES
from lit_seg.report.blocks import Choice, Figure, Panel, Section, Simple, Text

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
    options: list[tuple[str, list[Simple]]] = []
    for stat, words in TRAJECTORIES.items():
        table = trajectories(comparison, stat)
        labels = [arm.label for arm in comparison.arms if (table["arm"] == arm.label).any()]
        if not labels:
            continue
        letters = max(len(str(name)) for name in table["class"].unique())
        panels = [
            Panel(
                label,
                partial(_draw, comparison, table, label, stat),
                width=340,
                height=250,
                left=40,
                right=16 + 6 * letters,
            )
            for label in labels
        ]
        figure = Figure(
            f"trajectories_{stat}",
            f"{words[0].upper()}{words[1:]}, per class: mean over seeds, smoothed. Blue is head, "
            "green medium, vermilion tail; the same axis for all losses.",
            f"{words} per class against optimizer steps",
            panels,
        )
        options.append((_NAMES[stat], [figure]))
    if not options:
        return None
    text = (
        "As Fig. 4 of the recall loss paper, for every loss. **1 − recall** is what recall loss "  # noqa: RUF001
        "weighs a class by, **focal weight** the mean of 1 − p over its pixels; both are shown as "  # noqa: RUF001
        "shares of all classes, measured alike whatever loss trains. Their **ratio** above 1 says "
        "that recall loss would weigh the class more than focal loss does. The **gradient share** "
        "is that of the class's pixels in the sum of |∂L/∂z| of the loss that trains."
    )
    return Section("trajectories", "Class dynamics", [Text(text), Choice("Statistic", options)])


def _draw(comparison: Comparison, table: object, label: str, stat: str, axes: Axes) -> None:
    if stat in _LOGARITHMIC:
        axes.set_yscale("log")
    plot_class_lines(comparison, table, label, axes)
