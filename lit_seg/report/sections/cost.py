"""What each loss costs: time, memory, utilisation."""

import pandas as pd

from lit_seg.analysis.comparison import Comparison, opponent
from lit_seg.analysis.run_groups import Arm
from lit_seg.report import texts
from lit_seg.report.blocks import Block, Cell, Section, Text
from lit_seg.report.formatting import NBSP, arm_table

# Heading, format and factor of each measured cost.
_COSTS = {
    "step_seconds": ("time per step, ms", ".1f", 1000),
    "cpu_seconds": ("processor time per step, ms", ".1f", 1000),
    "data_seconds": ("wait for data, ms", ".2f", 1000),
    "peak_memory_mb": ("peak memory, MB", ",.0f", 1),
    "utilisation": ("utilisation, %", ".0f", 1),
}
_RATIOS = {"step_seconds": "time", "cpu_seconds": "processor time"}
_UNEVEN = 10  # points of utilisation


def section(comparison: Comparison) -> Section | None:
    """A row per loss, if any run measured its cost."""
    values = costs(comparison)
    if values.empty:
        return None
    base = comparison.baseline
    measured = [cost for cost in _COSTS if (values["cost"] == cost).any()]
    means = values.groupby(["arm", "cost"])["value"].agg(["mean", "min", "max"])
    ratios = [cost for cost in _RATIOS if base and cost in measured]
    table = arm_table(
        comparison,
        texts.COST_CAPTION,
        [
            *(f"{_RATIOS[cost]}, {base.loss}{NBSP}={NBSP}1" for cost in ratios if base),
            *(_COSTS[cost][0] for cost in measured),
        ],
        lambda arm: [
            *(_ratio(comparison, arm, means, cost) for cost in ratios),
            *(_cost(means, arm.label, cost) for cost in measured),
        ],
    )
    blocks: list[Block] = [table, Text(texts.COST_NOTE, "note")]
    used = values[values["cost"] == "utilisation"].groupby("arm")["value"].mean().sort_values()
    if len(used) and used.iloc[-1] - used.iloc[0] > _UNEVEN:
        ends = {"low": used.iloc[0], "high": used.iloc[-1]}
        warning = texts.UNEVEN_WARNING.format(**ends, least=used.index[0], most=used.index[-1])
        blocks.insert(0, Text(warning, "warning"))
    return Section("cost", "What it costs", blocks)


def costs(comparison: Comparison) -> pd.DataFrame:
    """One number per run and cost, in the columns arm, seed, cost, value."""
    log = comparison.log
    rows = log[log["stat"].str.startswith("cost/")].dropna(subset="value")
    rows = rows.assign(cost=rows["stat"].astype(str).str.removeprefix("cost/"))
    groups = rows.groupby(["arm", "seed", "cost"], sort=False)["value"].agg(["median", "max"])
    table = groups.reset_index()
    table["value"] = table["median"].where(table["cost"] != "peak_memory_mb", table["max"])
    return table[["arm", "seed", "cost", "value"]]


def _ratio(comparison: Comparison, arm: Arm, means: pd.DataFrame, cost: str) -> Cell:
    """The cost over that of the reference; 1 for the baseline at any number of steps."""
    base = comparison.baseline
    assert base is not None
    against = arm if arm.loss == base.loss else opponent(comparison, arm) or base
    if not {(arm.label, cost), (against.label, cost)} <= set(means.index):
        return Cell("n/a")
    ratio = float(means.at[(arm.label, cost), "mean"] / means.at[(against.label, cost), "mean"])
    return Cell(f"{ratio:.2f}", value=ratio)


def _cost(means: pd.DataFrame, label: str, cost: str) -> Cell:
    if (label, cost) not in means.index:
        return Cell("n/a")
    _, form, factor = _COSTS[cost]
    mean, low, high = (float(value) * factor for value in means.loc[(label, cost)])
    note = "" if low == high else f"{low:{form}} to {high:{form}}"
    return Cell(f"{mean:{form}}", note, value=mean)
