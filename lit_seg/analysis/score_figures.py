"""Figures of scores: differences with intervals, mean accuracy against mIoU, learning curves."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from lit_seg.analysis.comparison import OF_PRECISION, Comparison
from lit_seg.analysis.learning import over_seeds
from lit_seg.analysis.run_groups import Arm
from lit_seg.analysis.style import FONT_SIZE, INK, MUTED, PAPER, end_labels, looks

Points = npt.NDArray[np.float64]

# Where a name may go around its point, in points; the nearest first.
_AROUND = [
    (dx * r, dy * r)
    for r in (9, 15, 22, 30, 40, 52)
    for dx, dy in (
        (1, 0),
        (-1, 0),
        (0.6, 0.9),
        (0.6, -0.9),
        (-0.6, 0.9),
        (-0.6, -0.9),
        (0, 1),
        (0, -1),
    )
]
_LETTER = 0.6  # width of a letter over its height, on average


def possible_interval(comparison: Comparison, row: pd.Series) -> tuple[float, float]:
    """The 95 % interval of a difference, without what no score can reach.

    Given the mean of the reference over the paired seeds, the score of an arm is between 0 and 1.
    Differences of precision are over the classes that both predict, for which the reference has
    another mean, so they are only cut at -1 and 1. The outcome of a difference never changes.

    Args:
        comparison: of ``compare``.
        row: one of ``comparison.differences``.
    """
    least, most = -1.0, 1.0
    if row["stat"] not in OF_PRECISION:
        scores = comparison.scores
        seeds = set(comparison.arm(row["arm"]).seeds)
        of_reference = (scores["arm"] == row["against"]) & scores["seed"].isin(seeds)
        mean = scores.loc[of_reference & (scores["stat"] == row["stat"]), "value"].mean()
        if mean == mean:
            least, most = -mean, 1 - mean
    low, high = float(row["low"]), float(row["high"])
    return (max(low, least), min(high, most)) if low == low else (low, high)


def plot_differences(comparison: Comparison, stat: str, axes: Axes) -> None:
    """Difference of each arm to its baseline in points, with the possible interval of 95 %.

    A full marker is an interval that excludes zero.
    """
    table = comparison.differences
    rows = table[table["stat"] == stat]
    look = looks(comparison.arms, _baseline(comparison))
    labels = [arm.label for arm in comparison.arms if arm.label in set(rows["arm"])]
    axes.axvline(0, color=INK, linewidth=1)
    for y, label in enumerate(labels):
        row = rows[rows["arm"] == label].iloc[0]
        value = 100 * float(row["value"])
        low, high = (100 * end for end in possible_interval(comparison, row))
        if value != value:
            axes.text(
                0.02, y, "no value", transform=axes.get_yaxis_transform(), color=MUTED, va="center"
            )
            continue
        colour = look[label].colour
        axes.plot([low, high], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot(
            value, y, look[label].marker, color=colour, markersize=7,
            markerfacecolor=colour if row["real"] else PAPER,
        )  # fmt: skip
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("points more than the baseline")


def plot_scatter(comparison: Comparison, axes: Axes, x: str = "miou", y: str = "macc") -> None:
    """Two scores of each arm: a point per seed, the mean, and the ellipse of one sd.

    Recall loss paper, Fig. 2 and 3.
    """
    table = comparison.scores.pivot_table(
        index=["arm", "seed"], columns="stat", values="value", dropna=False
    )
    look = looks(comparison.arms, _baseline(comparison))
    names = []
    points = []
    for arm in comparison.arms:
        seeds = 100 * table.loc[arm.label, [x, y]].dropna().to_numpy(float)
        if not len(seeds):
            continue
        style = look[arm.label]
        points += [tuple(point) for point in seeds]
        axes.plot(
            *seeds.T, style.marker, color=style.colour, markersize=4, alpha=0.55,
            markerfacecolor=style.face,
        )  # fmt: skip
        mean = seeds.mean(axis=0)
        axes.plot(
            *mean, style.marker, color=style.colour, markersize=9, markerfacecolor=style.face,
            markeredgewidth=1.4,
        )  # fmt: skip
        if len(seeds) > 2:
            axes.add_patch(_ellipse(seeds, style.colour))
        names.append((mean, arm.label, style.colour))
    axes.set(xlabel="mean IoU, %", ylabel="mean accuracy (recall), %")
    axes.margins(0.12)
    axes.autoscale_view()
    _name_points(axes, names, points)


def plot_curves(
    comparison: Comparison, curves: pd.DataFrame, arms: Sequence[Arm], axes: Axes, target: float
) -> None:
    """A score at each validation: mean over seeds, and a band from the lowest to the highest.

    Args:
        comparison: for the looks.
        curves: of ``learning.curve``.
        arms: those to draw.
        axes: to draw on.
        target: what the baseline ends with, as a line; NaN for none.
    """
    look = looks(comparison.arms, _baseline(comparison))
    ends = []
    longest = max((arm.steps for arm in arms), default=0)
    if target == target:
        axes.axhline(100 * target, color=INK, linewidth=0.8, dashes=(2, 2))
    for arm in arms:
        table = 100 * over_seeds(curves, arm.label)[["mean", "min", "max"]]
        if table.empty:
            continue
        style = look[arm.label]
        steps = table.index.to_numpy() + 1
        axes.fill_between(
            steps, table["min"], table["max"], color=style.colour, alpha=0.13, linewidth=0
        )
        axes.plot(
            steps, table["mean"], color=style.colour, linestyle=style.dashes, linewidth=1.8,
            marker=style.marker, markersize=4.5, markerfacecolor=style.face,
            markevery=max(1, len(steps) // 8),
        )  # fmt: skip
        last = float(steps[-1]), float(table["mean"].iloc[-1])
        if last[0] < 0.9 * longest:  # its name would be far from it
            axes.annotate(
                arm.label, last, (0, 7), textcoords="offset points", color=style.colour,
                fontsize=10, ha="center",
            )  # fmt: skip
        else:
            ends.append((*last, arm.label, style.colour))
    axes.set_xlabel("optimizer steps")
    axes.set_ylabel("%")
    axes.margins(x=0.02)
    axes.autoscale_view()
    low, high = axes.get_ylim()
    axes.set_ylim(low, max(high, low + 5))  # less is not to look like a rise
    end_labels(axes, ends)


def _baseline(comparison: Comparison) -> str:
    return comparison.baseline.loss if comparison.baseline else ""


def _ellipse(points: Points, colour: str) -> Ellipse:
    """The ellipse of one standard deviation of points ``(S, 2)``."""
    values, vectors = np.linalg.eigh(np.cov(points.T))
    width, height = 2 * np.sqrt(np.maximum(values, 1e-9))
    angle = float(np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0])))
    return Ellipse(
        tuple(points.mean(axis=0)), width, height, angle=angle, facecolor=colour, alpha=0.15,
        edgecolor=colour, linewidth=1,
    )  # fmt: skip


def _name_points(
    axes: Axes,
    names: Sequence[tuple[Points, str, str]],
    points: Sequence[tuple[float, ...]],
) -> None:
    """Each name where it covers least of the points and of other names."""
    figure = axes.get_figure()
    assert figure is not None
    scale = figure.dpi / 72
    inside = axes.get_window_extent()
    dots = [axes.transData.transform(point) for point in points]
    dots += [axes.transData.transform(mean) for mean, _, _ in names]
    boxes: list[tuple[float, float, float, float]] = []
    for mean, text, colour in names:
        x, y = axes.transData.transform(mean)
        width, height = _LETTER * FONT_SIZE * len(text) * scale, 1.1 * FONT_SIZE * scale
        best, best_cost = None, np.inf
        for reach, (dx, dy) in enumerate(_AROUND):
            left = x + dx * scale - (width if dx < 0 else 0 if dx > 0 else width / 2)
            bottom = y + dy * scale - height / 2
            box = (left, bottom, left + width, bottom + height)
            cost = 0.3 * reach + sum(20.0 for other in boxes if _overlap(box, other))
            cost += sum(3.0 for px, py in dots if _overlap(box, (px - 3, py - 3, px + 3, py + 3)))
            out = box[0] < inside.x0 or box[2] > inside.x1 + 60 * scale
            cost += 50.0 * (out or box[1] < inside.y0 or box[3] > inside.y1 + 8 * scale)
            if cost < best_cost:
                best, best_cost = (dx, dy, box), cost
        assert best is not None
        dx, dy, box = best
        boxes.append(box)
        axes.annotate(
            text, (float(mean[0]), float(mean[1])), (dx, dy), textcoords="offset points",
            color=colour, fontweight="bold",
            ha="right" if dx < 0 else "left" if dx > 0 else "center", va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6}
            if np.hypot(dx, dy) > 20
            else None,
        )  # fmt: skip


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
