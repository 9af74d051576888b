"""Writes numbers as text: scores in percent, differences in points with their interval."""

from collections.abc import Callable, Sequence

import pandas as pd

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.run_groups import Method
from lit_seg.report.blocks import Cell, Mark, Table

MINUS = "−"  # noqa: RUF001  # as wide as +
NBSP = "\N{NO-BREAK SPACE}"


def percent(value: float) -> str:
    """Write a score as ``52.1``, and NaN as ``n/a``."""
    return "n/a" if value != value else f"{100 * value:.1f}"


def points(value: float) -> str:
    """Write a difference as ``+2.1``, with a minus sign that is as wide as the plus sign.

    A value next to zero has more digits, so that its sign is seen: it decides an outcome.
    """
    if value != value:
        return "n/a"
    text = f"{100 * value:+.1f}"
    if not float(text):
        text = f"{100 * value:+.1g}" if abs(100 * value) >= 0.001 else "0.0"
    return text.replace("-", MINUS)


def mean_sd(mean: float, sd: float) -> str:
    """Write ``52.1 ± 0.4``, without a deviation where there is one seed."""
    return percent(mean) if sd != sd else f"{percent(mean)} ± {percent(sd)}"


def score_cell(mean: float, sd: float, note: str = "", mark: Mark = "") -> Cell:
    """Make a cell of ``mean_sd``; rows are sorted by its mean."""
    return Cell(mean_sd(mean, sd), note, mark, None if mean != mean else mean)


def interval(row: pd.Series) -> str:
    """Write a row of ``Comparison.differences`` as ``+2.1 [+1.0, +3.3]``, without line breaks."""
    low, high, text = row["low"], row["high"], points(row["value"])
    return text if low != low else f"{text}{NBSP}[{points(low)},{NBSP}{points(high)}]"


def outcome(row: "pd.Series | None") -> Mark:
    """Say whether a difference is better, worse or tied; empty where it has no interval."""
    if row is None or row["low"] != row["low"]:
        return ""
    return "tied" if not row["real"] else "better" if row["value"] > 0 else "worse"


def outcome_word(row: "pd.Series | None") -> str:
    """Write the outcome, with ``?`` where it may be chance because many losses are compared."""
    mark = outcome(row)
    doubtful = row is not None and mark in ("better", "worse") and not row["p_holm"] < 0.05
    return f"{mark}?" if doubtful else mark


def listed(names: Sequence[str]) -> str:
    """Write ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))) if names else ""


def method_table(
    comparison: Comparison,
    caption: str,
    columns: Sequence[str],
    cells: Callable[[Method], Sequence[Cell]],
    note: Callable[[Method], str] = lambda method: "",
    words: Sequence[int] = (),
) -> Table:
    """Make a table with a row per method, in which those of the baseline stand out."""
    base, methods = comparison.baseline, comparison.methods
    rows = [[Cell(method.label, note(method)), *cells(method)] for method in methods]
    strong = [i for i, method in enumerate(methods) if base and method.loss == base.loss]
    return Table(caption, ["loss", *columns], rows, True, strong, words=words)
