"""How numbers are written: scores in percent, differences in points, with their interval."""

from collections.abc import Sequence

import pandas as pd

from lit_seg.analysis.comparison import OF_PRECISION, Comparison
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
    """Mean and standard deviation over seeds; below it the difference to the baseline.

    Where some seeds have no such score, of how many the mean and the difference are.
    """
    table = comparison.mean_sd(stat)
    mean, sd = float(table.at[label, "mean"]), float(table.at[label, "std"])
    row = comparison.difference(label, stat)
    runs, scored = len(comparison.arm(label).runs), int(table.at[label, "count"])
    notes = [f"{scored} of {plural(runs, 'seed')}"] if 0 < scored < runs else []
    if row is not None and _has_value(row):
        unbroken = interval(row).replace(" ", "\N{NO-BREAK SPACE}")
        notes.append(unbroken + of_pairs(comparison, row))
    return Cell(mean_sd(mean, sd), "; ".join(notes), mark_of(row), None if mean != mean else mean)


def _has_value(row: "pd.Series") -> bool:
    """Of precision only with an interval: it may hang on a few pixels."""
    return bool(row["value"] == row["value"]) and (
        row["stat"] not in OF_PRECISION or bool(row["low"] == row["low"])
    )


def of_pairs(comparison: Comparison, row: "pd.Series") -> str:
    """`` (1 of 3 pairs)`` where a difference is of less pairs of seeds than there are."""
    seeds = (set(comparison.arm(row[key]).seeds) for key in ("arm", "against"))
    pairs = len(set.intersection(*seeds))
    return f" ({row['seeds']} of {pairs} pairs)" if row["seeds"] < pairs else ""


def references(comparison: Comparison) -> str:
    """What losses are compared with: ``ce (of “recall, 3x” it is “ce, 3x”)``."""
    pairs = comparison.differences.drop_duplicates("arm")
    base = comparison.baseline.label if comparison.baseline else ""
    others = [
        f"of “{arm}” it is “{part}”"
        for arm, part in zip(pairs["arm"], pairs["against"], strict=True)
        if part != base
    ]
    return f"{base} ({'; '.join(others)})" if others else base


def mean_sd(mean: float, sd: float) -> str:
    """``52.1 ± 0.4``, without a spread where there is one seed."""
    return percent(mean) if sd != sd else f"{percent(mean)} ± {percent(sd)}"


def listed(names: Sequence[str], last: str = "and") -> str:
    """``a, b and c``."""
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def plural(number: int, noun: str) -> str:
    """``3 seeds``, ``1 seed``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def score(comparison: Comparison, label: str, stat: str) -> str:
    """``52.1 ± 0.4`` of an arm."""
    row = comparison.mean_sd(stat).loc[label]
    return mean_sd(float(row["mean"]), float(row["std"])) if len(row) else percent(float("nan"))


def shown(comparison: Comparison, label: str, stat: str) -> str:
    """``+4.2 [-0.9, +10.6] points``, with p where the correction for several losses undoes it."""
    row = comparison.difference(label, stat)
    if row is None or row["value"] != row["value"]:
        return "not compared"
    lost = row["real"] and not row["p_holm"] < 0.05
    note = f", but p = {row['p_holm']:.2f} corrected for the number of losses" if lost else ""
    return f"{interval(row)} points{note}"
