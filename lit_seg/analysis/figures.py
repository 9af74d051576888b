"""Pictures of runs."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes

Colour = tuple[int, int, int]


def plot_trajectories(
    classes: pd.DataFrame,
    stat: str,
    axes: Axes,
    colours: Mapping[str, Colour] | None = None,
    smooth: int = 1,
) -> None:
    """One line per class of a statistic over the steps of one run, labelled at its end.

    Args:
        classes: of ``load_classes``, rows of one run.
        stat: such as ``weight_norm``.
        axes: to draw on.
        colours: RGB of each class, 0 to 255; matplotlib's own by default.
        smooth: width of a running mean, in logged steps; 1 draws what was logged.

    Raises:
        ValueError: if the run has no such statistic.
    """
    rows = classes[classes["stat"] == stat]
    if rows.empty:
        found = ", ".join(sorted(classes["stat"].unique()))
        raise ValueError(f"no statistic {stat!r} in these runs; there are {found}")
    table = rows.pivot_table(index="step", columns="class", values="value")
    table = table.rolling(smooth, min_periods=1).mean()
    ends = table.ffill().iloc[-1].sort_values()
    label_gap = 0.04 * (table.max().max() - table.min().min())
    height = -float("inf")
    for name, end in ends.items():
        rgb = [channel / 255 for channel in colours[str(name)]] if colours else None
        (line,) = axes.plot(table.index, table[name], color=rgb, linewidth=1.5, label=name)
        height = max(end, height + label_gap)  # labels of lines that end together do not overlap
        axes.annotate(
            str(name),
            (table.index[-1], height),
            xytext=(4, 0),
            textcoords="offset points",
            color=line.get_color(),
            fontsize=8,
            va="center",
        )
    axes.set(xlabel="step", ylabel=stat)
    axes.spines[["top", "right"]].set_visible(False)
