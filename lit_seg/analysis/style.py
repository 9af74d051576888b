"""How arms and classes look in every figure: colours that colour-blind readers can tell apart, and
a marker and dashes that say the same without colour."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from lit_seg.analysis.figures import spread_apart
from lit_seg.analysis.run_groups import Arm

INK, MUTED, GRID, PAPER = "#1b1b1b", "#666666", "#dcdcdc", "#ffffff"
# Okabe and Ito (2008) without yellow, which is faint on white; the baseline is in ink.
VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY = (
    *("#d55e00", "#0072b2", "#009e73"),
    *("#cc79a7", "#e69f00", "#56b4e9"),
)
COLOURS = (VERMILION, BLUE, GREEN, PURPLE, ORANGE, SKY)
_MARKERS = ("s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*")
Dashes = tuple[float, tuple[float, ...] | None]
_DASHES: tuple[Dashes, ...] = (
    (0, None),
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (3, 1.5, 3, 1.5, 1, 1.5)),
)
GROUP_COLOURS = {"head": BLUE, "medium": GREEN, "tail": VERMILION}
FONT_SIZE = 11


@dataclass(frozen=True)
class Look:
    """How one arm is drawn."""

    colour: str
    marker: str
    dashes: Dashes
    hollow: bool
    """Whether the arm has another budget than the usual one."""

    @property
    def points(self) -> dict[str, Any]:
        """The arguments of ``Axes.plot`` for markers."""
        inside = PAPER if self.hollow else self.colour
        return {"color": self.colour, "marker": self.marker, "markerfacecolor": inside}


def looks(arms: Sequence[Arm], baseline: Arm | None) -> dict[str, Look]:
    """The look of each arm; budgets of a loss share its colour and marker."""
    losses = sorted({arm.loss for arm in arms if not (baseline and arm.loss == baseline.loss)})
    usual = arms[0].steps
    found = {}
    for arm in arms:
        hollow = arm.steps != usual
        if arm.loss not in losses:
            found[arm.label] = Look(INK, "o", _DASHES[2 if hollow else 0], hollow)
            continue
        i = losses.index(arm.loss)
        dashes = _DASHES[(i // len(COLOURS) + (2 if hollow else 0)) % len(_DASHES)]
        found[arm.label] = Look(
            COLOURS[i % len(COLOURS)], _MARKERS[i % len(_MARKERS)], dashes, hollow
        )
    return found


def class_looks(groups: dict[str, list[int]]) -> dict[int, tuple[str, Dashes]]:
    """Colour by frequency group and dashes within it, by class id."""
    return {
        c: (GROUP_COLOURS[group], _DASHES[i % len(_DASHES)])
        for group, part in groups.items()
        for i, c in enumerate(part)
    }


@contextmanager
def figure_style() -> Iterator[None]:
    """matplotlib's settings, so that the same numbers give the same file everywhere."""
    settings: Any = {  # matplotlib types each key
        "font.family": "DejaVu Sans",  # comes with matplotlib
        "font.size": FONT_SIZE,
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
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.labelsize": FONT_SIZE - 1,
        "ytick.labelsize": FONT_SIZE - 1,
        "lines.solid_capstyle": "round",
        "svg.fonttype": "none",
        "svg.hashsalt": "lit_seg",
        "path.simplify": True,
        "path.simplify_threshold": 0.2,
    }
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(settings)
        yield


def end_labels(
    axes: Axes, ends: Sequence[tuple[float, float, str, str]], gap: float = 11.5, size: float = 10
) -> None:
    """Names at the right edge of axes with final limits, where their lines end, moved apart.

    ``ends`` are x, y, name and colour; ``gap``, the least distance, and ``size`` are in points.
    """
    if not ends:
        return
    figure = axes.get_figure()
    assert figure is not None
    scale = figure.dpi / 72
    to_pixels = axes.transData.transform
    wanted = np.array([to_pixels((x, y))[1] for x, y, _, _ in ends])
    placed = spread_apart(wanted, gap * scale)
    leaders = []
    bottom, top = (axes.transAxes.transform((0, y))[1] for y in (0, 1))
    placed += max(0.0, bottom - placed.min()) - max(0.0, placed.max() - top - 4 * scale)
    for (x, y, name, colour), height in zip(ends, placed, strict=True):
        at = (height - bottom) / (top - bottom)
        end = axes.transAxes.inverted().transform(to_pixels((x, y)))
        leaders.append([(end[0], end[1]), (1.015, at)])
        axes.text(
            1.025, at, name, color=colour, fontsize=size, va="center", transform=axes.transAxes
        )
    colours = [colour for _, _, _, colour in ends]
    lines = LineCollection(leaders, colors=colours, linewidths=0.6, alpha=0.6)
    lines.set_transform(axes.transAxes)
    lines.set_clip_on(False)
    axes.add_collection(lines, autolim=False)
