"""How numbers are written: scores in percent, differences in points, with their interval."""

from collections.abc import Sequence

import pandas as pd

from lit_seg.analysis.comparison import Comparison
from lit_seg.report.blocks import Cell, Mark

MINUS = "−"  # noqa: RUF001  # as wide as +


def percent(value: float) -> str:
    """``52.1``; ``n/a`` for NaN."""
    return "n/a" if value != value else f"{100 * value:.1f}"


def points(value: float) -> str:
    """``+2.1``, with a minus sign that is as wide."""
    if value != value:
        return "n/a"
    text = f"{100 * value:+.1f}"
    return text.replace("-", MINUS) if float(text) else "0.0"


def interval(row: "pd.Series") -> str:
    """``+2.1 [+1.0, +3.3]`` of a row of ``Comparison.differences``."""
    if row["low"] != row["low"]:
        return points(row["value"])
    return f"{points(row['value'])} [{points(row['low'])}, {points(row['high'])}]"


def mark_of(row: "pd.Series | None", value: bool = True) -> Mark:
    """Better or worse where the interval excludes zero."""
    if row is None or not row["real"]:
        return ""
    return "better" if (row["value"] > 0) == value else "worse"


def mean_sd_cell(comparison: Comparison, label: str, stat: str) -> Cell:
    """Mean and standard deviation over seeds; below it the difference to the baseline."""
    table = comparison.mean_sd(stat)
    mean, sd = float(table.at[label, "mean"]), float(table.at[label, "std"])
    text = mean_sd(mean, sd)
    row = comparison.difference(label, stat)
    note = "" if row is None or row["value"] != row["value"] else interval(row)
    return Cell(text, note, mark_of(row), None if mean != mean else mean)


def mean_sd(mean: float, sd: float) -> str:
    """``52.1 ± 0.4``, without a spread where there is one seed."""
    return percent(mean) if sd != sd else f"{percent(mean)} ± {percent(sd)}"


def listed(names: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def plural(number: int, noun: str) -> str:
    """``3 seeds``, ``1 seed``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
