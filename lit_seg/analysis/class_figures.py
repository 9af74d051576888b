"""Figures of classes: trajectories while training, sizes of masks, recall by size."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.style import GROUP_COLOURS, INK, class_looks, end_labels, looks
from lit_seg.metrics.mask_sizes import MASK_SIZE_BINS, size_bin

_MOST_CLASSES = 16  # that can be told apart; beyond, groups are drawn
_POINTS = 60


def trajectories(comparison: Comparison, stat: str) -> pd.DataFrame:
    """A statistic of ``classes.csv`` over the steps, mean over seeds, then a running mean.

    Returns:
        arm, step, class (or group, where there are more than 16 classes), value; at most 60 steps.
    """
    log = comparison.log
    rows = log[log["stat"] == f"class/{stat}"].astype({"class": str})
    if len(comparison.classes) > _MOST_CLASSES:
        group = {comparison.classes[c]: g for g, part in comparison.groups.items() for c in part}
        rows = rows.assign(**{"class": rows["class"].map(group)})
    frames = []
    for arm in comparison.arms:
        table = rows[rows["arm"] == arm.label].pivot_table(
            index="step", columns="class", values="value"
        )
        if table.empty:
            continue
        smooth = table.rolling(max(1, len(table) // 9), min_periods=1, center=True).mean()
        keep = np.unique(np.linspace(0, len(smooth) - 1, min(_POINTS, len(smooth))).astype(int))
        long = smooth.iloc[keep].melt(ignore_index=False, value_name="value").reset_index()
        frames.append(long.assign(arm=arm.label)[["arm", "step", "class", "value"]])
    columns = ["arm", "step", "class", "value"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def plot_class_lines(comparison: Comparison, table: pd.DataFrame, label: str, axes: Axes) -> None:
    """Trajectories of the arm ``label``, named at their ends. Recall loss paper, Fig. 4.

    ``table`` is that of ``trajectories``; its limits are those of the axes, so that the figures of
    all arms have equal ones. Axes in logarithms are for a ratio, and have a line at 1.
    """
    rows = table[table["arm"] == label]
    styles = class_looks(comparison.groups)
    by_name = {comparison.classes[c]: styles[c] for c in comparison.by_frequency()}
    by_name |= {group: (colour, (0, None)) for group, colour in GROUP_COLOURS.items()}
    ends = []
    for name, (colour, dashes) in by_name.items():
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
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_ylim(min(0, low), high * 1.03 + 1e-9)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    if axes.get_yscale() == "linear":
        axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.autoscale_view(scaley=False)
    end_labels(axes, ends, gap=10, size=9)


def masks(comparison: Comparison) -> pd.DataFrame:
    """Every mask of every run: arm, seed, image, class, size, recall, bin."""
    rows = comparison.images
    whole = rows.groupby(["arm", "seed", "image"])["labelled"].transform("sum")
    rows = rows.assign(size=rows["labelled"] / whole.where(whole > 0))
    rows = rows[rows["labelled"] > 0]
    return rows.assign(
        recall=rows["hits"] / rows["labelled"],
        bin=pd.Categorical.from_codes(size_bin(rows["size"]), list(MASK_SIZE_BINS), ordered=True),
    )


def truth(found: pd.DataFrame) -> pd.DataFrame:
    """The masks of one run: the labels are the same for all."""
    if found.empty:
        return found
    first = found.iloc[0]
    return found[(found["arm"] == first["arm"]) & (found["seed"] == first["seed"])]


def recall_by_size(found: pd.DataFrame) -> pd.DataFrame:
    """Mean recall of the masks of a size, every mask counting once: arm, seed, bin, value."""
    groups = found.groupby(["arm", "seed", "bin"], observed=True, sort=False)
    return groups["recall"].mean().rename("value").reset_index()


def plot_mask_sizes(comparison: Comparison, found: pd.DataFrame, axes: Axes) -> None:
    """A histogram of mask sizes of ``truth`` per class, in logarithms. PAT paper, Fig. 1."""
    order = comparison.by_frequency()
    styles = class_looks(comparison.groups)
    sizes = 100 * found["size"].astype(float)
    edges = np.geomspace(max(sizes.min() * 0.9, 1e-3), 100, 31)
    middles = np.sqrt(edges[:-1] * edges[1:])
    for row, c in enumerate(order):
        of_class = sizes[found["class"] == comparison.classes[c]]
        counts = np.histogram(of_class, edges)[0]
        if not counts.any():
            continue
        height = 0.85 * counts / counts.max()
        axes.fill_between(
            middles, row, row - height, step="mid", color=styles[c][0], alpha=0.6, linewidth=0
        )
        axes.plot(of_class.median(), row + 0.06, "|", color=INK, markersize=7, markeredgewidth=1.6)
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_yticks(range(len(order)), [comparison.classes[c] for c in order])
    axes.set_ylim(len(order) - 0.6, -1.1)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("mask, % of the image")


def plot_recall_by_size(comparison: Comparison, by_size: pd.DataFrame, axes: Axes) -> None:
    """Mean recall over seeds of masks of a size for each arm; ``by_size`` as ``recall_by_size``."""
    look = looks(comparison.arms, comparison.baseline)
    names = [name for name in MASK_SIZE_BINS if (by_size["bin"] == name).any()]
    ends = []
    for arm in comparison.arms:
        rows = by_size[by_size["arm"] == arm.label]
        table = 100 * rows.groupby("bin", observed=True)["value"].mean().reindex(names)
        if table.dropna().empty:
            continue
        style = look[arm.label]
        axes.plot(
            range(len(names)), table, linestyle=style.dashes, linewidth=1.6, markersize=5.5,
            **style.points,
        )  # fmt: skip
        ends.append((0.0, float(table.iloc[0]), arm.label, style.colour))
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(len(names) - 0.9, -0.1)  # the small ones, where losses differ, beside the names
    axes.set_xlabel("size of the mask, share of the image")
    axes.set_ylabel("recall, %")
    end_labels(axes, ends)
