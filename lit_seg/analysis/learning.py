"""Learning curves over seeds, and when a loss first reaches what the baseline ends with."""

import pandas as pd

from lit_seg.analysis.comparison import Comparison
from lit_seg.runs.records import stat_of

CURVES = {"miou": "mean IoU", "tail_recall": "tail recall"}


def curve(comparison: Comparison, stat: str) -> pd.DataFrame:
    """``tail_recall``, or a score logged as ``val/<stat>``: method, seed, step, value."""
    log = comparison.log
    if stat == "tail_recall":
        tail = [comparison.classes[c] for c in comparison.tail]
        rows = log[(log["stat"] == "val/recall") & log["class"].isin(tail)]
    else:
        rows = log[log["stat"] == stat_of("val", stat)]
    return rows.groupby(["method", "seed", "step"], as_index=False)["value"].mean()


def over_seeds(curves: pd.DataFrame, label: str) -> pd.DataFrame:
    """Mean, lowest and highest seed at each step of a method that all of its seeds have."""
    rows = curves[curves["method"] == label]
    table = rows.groupby("step")["value"].agg(["mean", "min", "max", "count"])
    return table[table["count"] == table["count"].max()] if len(table) else table


def final_of_baseline(comparison: Comparison, stat: str) -> float:
    """What the baseline ends with, mean over its seeds; NaN without one."""
    if comparison.baseline is None:
        return float("nan")
    return float(comparison.mean_sd(stat).at[comparison.baseline.label, "mean"])


def target(comparison: Comparison, stat: str) -> float:
    """What the baseline ends with; 10 % where that is less, for there is nothing to reach."""
    return max(final_of_baseline(comparison, stat), 0.1)


def first_reached(comparison: Comparison, stat: str) -> pd.DataFrame:
    """When each run first has the ``target``: method, seed, step (steps done; NaN if never)."""
    curves = curve(comparison, stat)
    runs = curves.groupby(["method", "seed"]).size().index
    there = curves[curves["value"] >= target(comparison, stat)]
    steps = 1 + there.groupby(["method", "seed"])["step"].min().reindex(runs)
    return steps.reset_index()
