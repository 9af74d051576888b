"""Figures of scores: differences with intervals, mean accuracy against mIoU, learning curves."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.learning import over_seeds
from lit_seg.analysis.run_groups import Method
from lit_seg.analysis.style import INK, MUTED, PAPER, end_labels, looks, name_rows


def plot_differences(comparison: Comparison, stat: str, axes: Axes) -> None:
    """Draw the difference of each method to its baseline in points, with its interval of 95 %.

    A full marker means that the interval excludes zero.
    """
    labels: list[str] = []
    axes.axvline(0, color=INK, linewidth=1)
    for label, style in looks(comparison).items():
        row = comparison.difference(label, stat)
        if row is None:
            continue
        y, value, colour = len(labels), 100 * float(row["value"]), style["color"]
        labels.append(label)
        if value != value:
            axes.text(
                0.02, y, "no value", transform=axes.get_yaxis_transform(), color=MUTED, va="center"
            )
            continue
        low, high = 100 * float(row["low"]), 100 * float(row["high"])
        axes.plot([low, high], [y, y], color=colour, linewidth=2.2, solid_capstyle="butt")
        inside = colour if row["real"] else PAPER
        axes.plot(value, y, style["marker"], color=colour, markersize=7, markerfacecolor=inside)
    name_rows(axes, labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlabel("points more than the baseline")


def plot_scatter(comparison: Comparison, axes: Axes) -> None:
    """Draw mean IoU and mean accuracy: a point per seed, the mean, and an ellipse.

    The ellipse has a radius of one standard deviation (recall loss paper, Fig. 2 and 3).
    """
    table = pd.concat([comparison.score("miou"), comparison.score("macc")], axis=1)
    for label, style in looks(comparison).items():
        seeds = 100 * table.loc[label].dropna().to_numpy(float)
        if not len(seeds):
            continue
        style["linestyle"] = ""  # points alone
        axes.plot(*seeds.T, markersize=4, alpha=0.55, **style)
        axes.plot(*seeds.mean(axis=0), markersize=9, markeredgewidth=1.4, label=label, **style)
        if len(seeds) > 2:
            values, vectors = np.linalg.eigh(np.cov(seeds.T))
            width, height = 2 * np.sqrt(np.maximum(values, 1e-9))
            angle = float(np.degrees(np.arctan2(vectors[1, 0], vectors[0, 0])))
            ellipse = Ellipse(
                tuple(seeds.mean(axis=0)), width, height, angle=angle, facecolor=style["color"],
                alpha=0.15, edgecolor=style["color"], linewidth=1,
            )  # fmt: skip
            axes.add_patch(ellipse)
    axes.set(xlabel="mean IoU, %", ylabel="mean accuracy (recall), %")
    axes.margins(0.12)
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)  # it covers no point


def plot_curves(
    comparison: Comparison, curves: pd.DataFrame, methods: list[Method], axes: Axes, target: float
) -> None:
    """Draw a score at each validation: its mean over seeds, and a band from lowest to highest.

    ``curves`` are those of ``learning.curve``, and ``target`` is what the baseline ends with, drawn
    as a line; NaN draws none.
    """
    look = looks(comparison)
    ends = []
    longest = max((method.steps for method in methods), default=0)
    if target == target:
        axes.axhline(100 * target, color=INK, linewidth=0.8, dashes=(2, 2))
    for method in methods:
        table = 100 * over_seeds(curves, method.label)[["mean", "min", "max"]]
        if table.empty:
            continue
        style, colour = look[method.label], look[method.label]["color"]
        steps = table.index.to_numpy() + 1
        axes.fill_between(steps, table["min"], table["max"], color=colour, alpha=0.13, linewidth=0)
        every = max(1, len(steps) // 8)
        axes.plot(steps, table["mean"], linewidth=1.8, markersize=4.5, markevery=every, **style)
        last = float(steps[-1]), float(table["mean"].iloc[-1])
        if last[0] < 0.9 * longest:  # at the right edge its name would be far from it
            axes.annotate(
                method.label, last, (0, 7), textcoords="offset points", color=colour,
                fontsize=10, ha="center",
            )  # fmt: skip
        else:
            ends.append((*last, method.label, colour))
    axes.set_xlabel("optimizer steps")
    axes.set_ylabel("%")
    axes.margins(x=0.02)
    axes.autoscale_view()
    low, high = axes.get_ylim()
    axes.set_ylim(low, max(high, low + 5))  # small changes must not look large
    end_labels(axes, ends)
