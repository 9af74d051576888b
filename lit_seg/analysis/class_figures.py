"""Figures of classes: trajectories while training, sizes of masks, recall by size."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.style import (
    COLOURS,
    GROUP_COLOURS,
    INK,
    class_looks,
    end_labels,
    looks,
    name_rows,
)
from lit_seg.metrics.mask_sizes import MASK_SIZE_BINS
from lit_seg.runs.records import stat_of

_MOST_CLASSES = 16  # more lines cannot be distinguished, so groups are drawn instead
_POINTS = 60


def trajectories(comparison: Comparison, stat: str) -> pd.DataFrame:
    """Average a statistic of ``classes.csv`` over seeds, then by a running mean over the steps.

    The result has columns method, step, class (group, where there are more than 16 classes) and
    value, and at most 60 steps of a method.
    """
    log = comparison.log
    rows = log[log["stat"] == stat_of("class", stat)].astype({"class": str})
    if len(comparison.classes) > _MOST_CLASSES:
        group = {comparison.classes[c]: g for g, part in comparison.groups.items() for c in part}
        # of thousands of classes a run logs a few, and the means of all
        group |= {f"({name})": name for name in comparison.groups}
        if rows["class"].isin(of_all := [f"({name})" for name in comparison.groups]).any():
            rows = rows[rows["class"].isin(of_all)]
        rows = rows.assign(**{"class": rows["class"].map(group)})
    tables = {}
    for label, of_method in rows.groupby("method"):
        table = of_method.pivot_table(index="step", columns="class", values="value")
        smooth = table.rolling(max(1, len(table) // 9), min_periods=1, center=True).mean()
        keep = np.unique(np.linspace(0, len(smooth) - 1, min(_POINTS, len(smooth))).astype(int))
        tables[label] = smooth.iloc[keep].melt(ignore_index=False, value_name="value")
    if not tables:
        return pd.DataFrame(columns=["method", "step", "class", "value"])
    return pd.concat(tables, names=["method"]).reset_index()


def plot_class_lines(comparison: Comparison, table: pd.DataFrame, label: str, axes: Axes) -> None:
    """Draw the ``trajectories`` of a method, named at their ends (recall loss paper, Fig. 4).

    All methods in ``table`` have axes with equal limits. Axes in logarithms are for a ratio, and
    have a line at 1.
    """
    rows = table[table["method"] == label]
    of_groups = {group: (colour, (0, None)) for group, colour in GROUP_COLOURS.items()}
    ends, there = [], set(rows["class"])
    for name, (colour, dashes) in (class_looks(comparison) | of_groups).items():
        if name not in there:
            continue
        line = rows[rows["class"] == name].dropna(subset="value")
        if line.empty:
            continue
        axes.plot(line["step"] + 1, line["value"], color=colour, linestyle=dashes, linewidth=1.3)
        last = line.iloc[-1]
        ends.append((float(last["step"]) + 1, float(last["value"]), name, colour))
    axes.set_xlabel("optimizer steps")
    axes.margins(x=0.02)
    values = table["value"].dropna()
    if len(values):
        low, high = float(values.min()), float(values.max())
        if axes.get_yscale() == "log":
            axes.axhline(1, color=INK, linewidth=0.8)
            axes.set_ylim(max(low, 0.02) / 1.1, high * 1.1)
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_ylim(min(0, low), high * 1.03 + 1e-9)
            axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.autoscale_view(scaley=False)
    end_labels(axes, ends, gap=10, size=9)


def plot_recalls(table: pd.DataFrame, axes: Axes) -> None:
    """Draw a line per column of recalls by step, in percent, named at its end."""
    colours = [(INK, *COLOURS)[i % (1 + len(COLOURS))] for i in range(table.shape[1])]
    for (_, line), colour in zip(table.items(), colours, strict=True):
        axes.plot(line.index + 1, 100 * line, color=colour, linewidth=1.3)
    axes.set(xlabel="optimizer steps", ylabel="recall, %", ylim=(-3, 103))
    axes.margins(x=0.02)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    last = zip(table.columns, 100 * table.iloc[-1], colours, strict=True)
    step = float(table.index[-1]) + 1
    end_labels(axes, [(step, y, name, colour) for name, y, colour in last if y == y])


def plot_mask_sizes(comparison: Comparison, found: pd.DataFrame, axes: Axes) -> None:
    """Draw a histogram of mask sizes per class on a logarithmic axis (PAT paper, Fig. 1)."""
    styles = class_looks(comparison)
    sizes = 100 * found["size"]
    edges = np.geomspace(max(sizes.min() * 0.9, 1e-3), 100, 31)
    middles = np.sqrt(edges[:-1] * edges[1:])
    for row, (name, (colour, _)) in enumerate(styles.items()):
        of_class = sizes[found["class"] == comparison.classes.index(name)]
        counts = np.histogram(of_class, edges)[0]
        if not counts.any():
            continue
        height = 0.85 * counts / counts.max()
        axes.fill_between(
            middles, row, row - height, step="mid", color=colour, alpha=0.6, linewidth=0
        )
        axes.plot(of_class.median(), row + 0.06, "|", color=INK, markersize=7, markeredgewidth=1.6)
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter("{x:g}")
    name_rows(axes, list(styles))
    axes.set_ylim(len(styles) - 0.6, -1.1)
    axes.set_xlabel("mask, % of the image")


def plot_recall_by_size(comparison: Comparison, by_size: pd.DataFrame, axes: Axes) -> None:
    """Draw ``recall_by_size`` of each method, averaged over seeds."""
    names = [name for name in MASK_SIZE_BINS if (by_size["bin"] == name).any()]
    ends = []
    for label, style in looks(comparison).items():
        rows = by_size[by_size["method"] == label]
        table = 100 * rows.groupby("bin", observed=True)["value"].mean().reindex(names)
        if table.dropna().empty:
            continue
        axes.plot(range(len(names)), table, linewidth=1.6, markersize=5.5, **style)
        ends.append((0.0, float(table.iloc[0]), label, style["color"]))
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(len(names) - 0.9, -0.1)  # the small ones, where losses differ, beside the names
    axes.set_xlabel("size of the mask, share of the image")
    axes.set_ylabel("recall, %")
    end_labels(axes, ends)
