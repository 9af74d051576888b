"""Draws class trajectories for notebooks. The import of this module needs no matplotlib."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import isotonic_regression

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", ":", "-.")
Heights = npt.NDArray[np.float64]


def spread_apart(wanted: Heights, gap: float) -> Heights:
    """Move heights at least ``gap`` apart, as little as possible and in the same order."""
    order = np.argsort(wanted, kind="stable")
    gaps = gap * np.arange(len(wanted))
    placed = np.empty(len(wanted))
    placed[order] = isotonic_regression(wanted[order] - gaps).x + gaps
    return placed


def plot_trajectories(
    runs: pd.DataFrame,
    stat: str,
    axes: "Axes",
    colours: Mapping[str, str] | None = None,
    smooth: int = 1,
) -> None:
    """One line per class of a statistic over the steps, labelled at its end.

    Args:
        runs: of ``load_runs``; of several runs the mean is drawn.
        stat: such as ``class/weight_norm``.
        axes: to draw on.
        colours: ``#rrggbb`` of each class; by default few that the colour-blind can tell apart,
            with dashes.
        smooth: width of a running mean, in logged steps; 1 draws what was logged.

    Raises:
        ValueError: if the run has no such statistic.
    """
    rows = runs[(runs["stat"] == stat) & (runs["class"] != "")]
    if rows.empty:
        found = ", ".join(sorted(runs.loc[runs["class"] != "", "stat"].unique()))
        raise ValueError(f"no statistic {stat!r} in these runs; there are {found}")
    table = rows.pivot_table(index="step", columns="class", values="value")
    table = table.rolling(smooth, min_periods=1).mean()
    ends = []
    for i, name in enumerate(sorted(set(runs["class"]) - {""})):  # a class looks alike everywhere
        if name not in table or table[name].isna().all():
            continue
        colour = colours[name] if colours else _OKABE_ITO[i % len(_OKABE_ITO)]
        dash = _DASHES[i // len(_OKABE_ITO) % len(_DASHES)]
        marker = "o" if table[name].count() == 1 else None  # one value makes no line
        axes.plot(
            table.index, table[name], dash, color=colour, linewidth=1.5, marker=marker, label=name
        )
        ends.append((table[name].ffill().iloc[-1], name, colour))
    axes.set(xlabel="step", ylabel=stat)
    axes.spines[["top", "right"]].set_visible(False)
    gap = 0.045 * (table.max().max() - table.min().min())
    heights = spread_apart(np.array([end for end, _, _ in ends]), gap)
    for height, (_, name, colour) in zip(heights, ends, strict=True):
        axes.annotate(
            name,
            (table.index[-1], height),  # in data's units: axes that share limits may move them
            xytext=(4, 0),
            textcoords="offset points",
            color=colour,
            fontsize=8,
            va="center",
            annotation_clip=False,
        )
