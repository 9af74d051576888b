"""Learning curves over seeds, and when a loss first reaches what the baseline ends with."""

import pandas as pd

from lit_seg.analysis.comparison import Comparison
from lit_seg.runs.records import stat_of


def curve(comparison: Comparison, stat: str) -> pd.DataFrame:
    """Read ``tail_recall``, or a score logged as ``val/<stat>``: method, seed, step, value."""
    log = comparison.log
    of_group = stat_of("val", list(comparison.groups)[-1])  # which classifiers log
    if stat == "tail_recall" and (log["stat"] == of_group).any():
        rows = log[log["stat"] == of_group]
    elif stat == "tail_recall":
        tail = [comparison.classes[c] for c in comparison.tail]
        rows = log[(log["stat"] == "val/recall") & log["class"].isin(tail)]
    else:
        rows = log[log["stat"] == stat_of("val", stat)]
    return rows.groupby(["method", "seed", "step"], as_index=False)["value"].mean()


def over_seeds(curves: pd.DataFrame, label: str) -> pd.DataFrame:
    """Compute the mean, lowest and highest seed at each step that all seeds of a method have."""
    rows = curves[curves["method"] == label]
    table = rows.groupby("step")["value"].agg(["mean", "min", "max", "count"])
    return table[table["count"] == table["count"].max()] if len(table) else table


def final_of_baseline(comparison: Comparison, stat: str) -> float:
    """The last value of the baseline, mean over its seeds; NaN without a baseline."""
    if comparison.baseline is None:
        return float("nan")
    return float(comparison.mean_sd(stat).at[comparison.baseline.label, "mean"])


def target(comparison: Comparison, stat: str) -> float:
    """The last value of the baseline, but at least 10 %, so that there is something to reach."""
    return max(final_of_baseline(comparison, stat), 0.1)


def first_reached(comparison: Comparison, stat: str) -> pd.DataFrame:
    """Find when each run first reaches ``target``: method, seed, step (steps done, or NaN)."""
    curves = curve(comparison, stat)
    runs = curves.groupby(["method", "seed"]).size().index
    there = curves[curves["value"] >= target(comparison, stat)]
    steps = 1 + there.groupby(["method", "seed"])["step"].min().reindex(runs)
    return steps.reset_index()
