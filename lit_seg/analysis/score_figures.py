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
from lit_seg.analysis.style import INK, MUTED, PAPER, end_labels, looks

Points = npt.NDArray[np.float64]


def possible_interval(comparison: Comparison, row: pd.Series) -> tuple[float, float]:
    """The 95 % interval of a difference, without what no score can reach.

    Given the mean of the reference over the paired seeds, the score of an arm is between 0 and 1.
    Differences of precision are over the classes that both predict, for which the reference has
    another mean, so they are only cut at -1 and 1. The outcome of a difference never changes.

    ``row`` is one of ``comparison.differences``.
    """
    least, most = -1.0, 1.0
    if row["stat"] not in OF_PRECISION:
        of_reference = comparison.score(row["stat"])[row["against"]]
        mean = of_reference.reindex(comparison.arm(row["arm"]).seeds).mean()
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
    look = looks(comparison.arms, comparison.baseline)
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
    table = pd.concat([comparison.score(x), comparison.score(y)], axis=1)
    look = looks(comparison.arms, comparison.baseline)
    for arm in comparison.arms:
        seeds = 100 * table.loc[arm.label].dropna().to_numpy(float)
        if not len(seeds):
            continue
        style = look[arm.label]
        axes.plot(*seeds.T, linestyle="", markersize=4, alpha=0.55, **style.points)
        axes.plot(
            *seeds.mean(axis=0), linestyle="", markersize=9, markeredgewidth=1.4, label=arm.label,
            **style.points,
        )  # fmt: skip
        if len(seeds) > 2:
            axes.add_patch(_ellipse(seeds, style.colour))
    axes.set(xlabel="mean IoU, %", ylabel="mean accuracy (recall), %")
    axes.margins(0.12)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)  # covers no point


def plot_curves(
    comparison: Comparison, curves: pd.DataFrame, arms: Sequence[Arm], axes: Axes, target: float
) -> None:
    """A score at each validation: mean over seeds, and a band from the lowest to the highest.

    ``curves`` are those of ``learning.curve``, and ``target`` is what the baseline ends with, drawn
    as a line; NaN draws none.
    """
    look = looks(comparison.arms, comparison.baseline)
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
            steps, table["mean"], linestyle=style.dashes, linewidth=1.8, markersize=4.5,
            markevery=max(1, len(steps) // 8), **style.points,
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


def _ellipse(points: Points, colour: str) -> Ellipse:
    """The ellipse of one standard deviation of points ``(S, 2)``."""
    values, vectors = np.linalg.eigh(np.cov(points.T))
    width, height = 2 * np.sqrt(np.maximum(values, 1e-9))
    angle = float(np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0])))
    return Ellipse(
        tuple(points.mean(axis=0)), width, height, angle=angle, facecolor=colour, alpha=0.15,
        edgecolor=colour, linewidth=1,
    )  # fmt: skip
