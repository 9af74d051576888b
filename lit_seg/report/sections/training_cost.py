"""Shows what training with each loss costs: time, memory, utilisation."""

import pandas as pd

from lit_seg.analysis.comparison import Comparison, opponent
from lit_seg.analysis.run_groups import Method
from lit_seg.report.blocks import Block, Cell, Section, Text
from lit_seg.report.formatting import NBSP, method_table
from lit_seg.runs.records import split_stat

# Heading, format and factor of each measured cost.
_COSTS = {
    "step_seconds": ("time per step, ms", ".1f", 1000),
    "cpu_seconds": ("processor time per step, ms", ".1f", 1000),
    "data_seconds": ("wait for data, ms", ".2f", 1000),
    "data_share": ("wait for data, % of the time", ".1f", 1),
    "peak_memory_mb": ("peak memory, MB", ",.0f", 1),
    "utilisation": ("utilisation, %", ".0f", 1),
}
_RATIOS = {"step_seconds": "time", "cpu_seconds": "processor time"}
_UNEVEN = 10  # points of utilisation
_NOTE = (
    "Ratios are to the baseline of the same number of steps if there is one. Memory and "
    "utilisation are those of the GPU if there was one, otherwise those of the process and its "
    "processor cores. Costs depend on what else the machine did: small differences mean nothing. "
    "As Fig. 5 of the PAT paper. **On a CPU** compare processor time, because other processes "
    "lengthen the time. Do not compare peak memory there: it is that of the process with data and "
    "libraries; `make bench` measures what the losses themselves need."
)


def section(comparison: Comparison) -> Section | None:
    """Make a table with a row per loss, if any run measured its cost."""
    log, base = comparison.log, comparison.baseline
    names = {
        stat: split_stat(stat)[1] for stat in log["stat"].unique() if split_stat(stat)[0] == "cost"
    }
    rows = log[log["stat"].isin(names)].dropna(subset="value")
    if rows.empty:
        return None
    rows = rows.assign(cost=rows["stat"].astype(str).map(names))
    of_runs = rows.groupby(["method", "seed", "cost"])["value"].agg(["median", "max"]).reset_index()
    values = of_runs["median"].where(of_runs["cost"] != "peak_memory_mb", of_runs["max"])
    means = values.groupby([of_runs["method"], of_runs["cost"]]).agg(["mean", "min", "max"])
    measured = [cost for cost in _COSTS if cost in set(of_runs["cost"])]
    ratios = [cost for cost in _RATIOS if base and cost in measured]
    table = method_table(
        comparison,
        "Cost: mean and range over seeds of the median over epochs (of memory, the peak)",
        [
            *(f"{_RATIOS[cost]}, {base.loss}{NBSP}={NBSP}1" for cost in ratios if base),
            *(_COSTS[cost][0] for cost in measured),
        ],
        lambda method: [
            *(_ratio(comparison, method, means["mean"], cost) for cost in ratios),
            *(_cost(means, method.label, cost) for cost in measured),
        ],
    )
    blocks: list[Block] = [table, Text(_NOTE, "note")]
    is_use = means.index.get_level_values("cost") == "utilisation"
    used = means.loc[is_use, "mean"].droplevel("cost").sort_values()
    if len(used) and used.iloc[-1] - used.iloc[0] > _UNEVEN:
        warning = (
            f"Utilisation differs from {used.iloc[0]:.0f} % ({used.index[0]}) to "
            f"{used.iloc[-1]:.0f} % ({used.index[-1]}): the losses did not have the machine to the "
            "same degree, or one of them leaves it idle. Where other processes ran at the same "
            "time, the time says nothing about the loss."
        )
        blocks.insert(0, Text(warning, "warning"))
    return Section("cost", "What it costs", blocks)


def _ratio(comparison: Comparison, method: Method, means: "pd.Series[float]", cost: str) -> Cell:
    """Divide the cost by that of the reference; 1 for the baseline at any number of steps."""
    base = comparison.baseline
    assert base is not None
    against = method if method.loss == base.loss else opponent(comparison, method) or base
    if not {(method.label, cost), (against.label, cost)} <= set(means.index):
        return Cell("n/a")
    ratio = float(means[method.label, cost] / means[against.label, cost])
    return Cell(f"{ratio:.2f}", value=ratio)


def _cost(means: pd.DataFrame, label: str, cost: str) -> Cell:
    if (label, cost) not in means.index:
        return Cell("n/a")
    _, form, factor = _COSTS[cost]
    mean, low, high = (float(value) * factor for value in means.loc[(label, cost)])
    note = "" if low == high else f"{low:{form}} to {high:{form}}"
    return Cell(f"{mean:{form}}", note, value=mean)
