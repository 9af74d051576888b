"""Defines how methods and classes look in every figure.

Colour-blind readers can distinguish the colours, and markers and dashes repeat what they say.
"""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.figures import spread_apart

INK, MUTED, GRID, PAPER = "#1b1b1b", "#666666", "#dcdcdc", "#ffffff"
# Okabe and Ito (2008) without yellow, which is faint on white; the baseline is in ink.
VERMILION, BLUE, GREEN = "#d55e00", "#0072b2", "#009e73"
COLOURS = (VERMILION, BLUE, GREEN, "#cc79a7", "#e69f00", "#56b4e9")
_MARKERS = ("s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
Dashes = tuple[float, tuple[float, ...] | None]
_DASHES: tuple[Dashes, ...] = (
    *((0, None), (0, (5, 1.5)), (0, (1.2, 1.2))),
    *((0, (6, 1.5, 1.2, 1.5)), (0, (3, 1.5, 3, 1.5, 1, 1.5))),
)
GROUP_COLOURS = {"head": BLUE, "medium": GREEN, "tail": VERMILION, "many": BLUE, "few": VERMILION}
_FONT_SIZE = 11
SETTINGS: Any = {  # matplotlib types each key
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": _FONT_SIZE,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "text.parse_math": False,  # a name may hold a $
    **dict.fromkeys(("xtick.color", "ytick.color"), MUTED),
    **dict.fromkeys(("xtick.labelcolor", "ytick.labelcolor"), INK),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), _FONT_SIZE - 1),
    "lines.solid_capstyle": "round",
    "path.simplify_threshold": 0.2,
}
"""The settings of matplotlib in which figures of the report differ from its defaults."""


def looks(comparison: Comparison) -> dict[str, dict[str, Any]]:
    """The arguments of ``Axes.plot`` for each method, by label.

    All budgets of a loss share its colour and marker; the marker is hollow except at the usual
    budget.
    """
    base, usual = comparison.baseline, comparison.methods[0].steps
    losses = sorted({each.loss for each in comparison.methods} - {base.loss if base else ""})
    found = {}
    for method in comparison.methods:
        cycle, colour, marker, hollow = 0, INK, "o", method.steps != usual
        if method.loss in losses:
            place = losses.index(method.loss)
            cycle, colour_place = divmod(place, len(COLOURS))
            colour, marker = COLOURS[colour_place], _MARKERS[place % len(_MARKERS)]
        found[method.label] = {
            "color": colour,
            "marker": marker,
            "markerfacecolor": PAPER if hollow else colour,
            "linestyle": _DASHES[(cycle + (2 if hollow else 0)) % len(_DASHES)],
        }
    return found


def class_looks(comparison: Comparison) -> dict[str, tuple[str, Dashes]]:
    """The colour and dashes of each class, the most frequent first; the colour is its group's."""
    return {
        comparison.classes[c]: (GROUP_COLOURS[group], _DASHES[i % len(_DASHES)])
        for group, part in comparison.groups.items()
        for i, c in enumerate(part)
    }


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Write names at the left of rows 0, 1, ..., without ticks and grid lines."""
    axes.set_yticks(range(len(names)), names)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


def end_labels(
    axes: Axes, ends: Sequence[tuple[float, float, str, str]], gap: float = 11.5, size: float = 10
) -> None:
    """Write names at the right edge of axes beside the ends of their lines, moved apart.

    The limits of the axes must be final.

    ``ends`` are x, y, name and colour; ``gap``, the least distance, and ``size`` are in points.
    """
    if not ends:
        return
    starts = (axes.transData - axes.transAxes).transform([(x, y) for x, y, _, _ in ends])
    point = axes.figure.dpi / 72 / axes.bbox.height  # as a share of the height of the axes
    heights = spread_apart(starts[:, 1], gap * point)
    heights += max(0.0, -heights.min()) - max(0.0, heights.max() - 1 - 4 * point)
    for (_, _, name, colour), y in zip(ends, heights, strict=True):
        axes.text(
            1.025, y, name, color=colour, fontsize=size, va="center", transform=axes.transAxes
        )
    leaders = LineCollection(
        [(start, (1.015, y)) for start, y in zip(starts, heights, strict=True)],
        colors=[colour for _, _, _, colour in ends],
        linewidths=0.6,
        alpha=0.6,
        transform=axes.transAxes,
        clip_on=False,
    )
    axes.add_collection(leaders, autolim=False)
