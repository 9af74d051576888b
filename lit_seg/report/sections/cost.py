"""What each loss costs: time, memory, utilisation."""

import pandas as pd

from lit_seg.analysis.comparison import Comparison, opponent
from lit_seg.analysis.run_groups import Arm
from lit_seg.report.blocks import Block, Cell, Section, Table, Text

# name, format, factor
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
    """A row per loss; nothing if no run measured it."""
    values = costs(comparison)
    if values.empty:
        return None
    base = comparison.baseline
    there = [cost for cost in _COSTS if (values["cost"] == cost).any()]
    means = values.groupby(["arm", "cost"])["value"].agg(["mean", "min", "max"])
    ratios = [
        f"{name}, {base.loss}\u00a0=\u00a01"
        for cost, name in _RATIOS.items()
        if base and cost in there
    ]
    rows = [_row(comparison, arm, means, there) for arm in comparison.arms]
    compared = (
        f" Ratios are to {base.loss} of the same number of steps, where there is one."
        if base
        else ""
    )
    table = Table(
        "Median over the epochs of a run (of memory the peak); mean over seeds, and their range."
        f"{compared} Memory on a CPU is that of the process with all that it holds.",
        ["loss", *ratios, *(_COSTS[c][0] for c in there)],
        rows,
        sortable=True,
        strong=[i for i, arm in enumerate(comparison.arms) if base and arm.loss == base.loss],
    )
    text = (
        "Measured on the machine that ran them, beside whatever else it did: these numbers are "
        "not repeatable as the scores are, and small differences mean nothing. Memory and "
        "utilisation are of the GPU if there was one, else of the process and its processor "
        "cores. As Fig. 5 of the PAT paper. **On a CPU** processor time tells losses apart better "
        "than time, which other processes lengthen, and **peak memory does not tell them apart**: "
        "it is of the whole process, data and libraries included. What the losses themselves need "
        "is printed by `python experiments/paper/loss_memory.py`."
    )
    blocks: list[Block] = [Text(text), table]
    if uneven := _uneven(means):
        blocks.insert(1, Text(uneven, "warning"))
    return Section("cost", "What it costs", blocks)


def costs(comparison: Comparison) -> pd.DataFrame:
    """arm, seed, cost, value: one number per run."""
    log = comparison.log
    rows = log[log["stat"].str.startswith("cost/")].dropna(subset="value")
    rows = rows.assign(cost=rows["stat"].astype(str).str.removeprefix("cost/"))
    groups = rows.groupby(["arm", "seed", "cost"], sort=False)["value"].agg(["median", "max"])
    table = groups.reset_index()
    peak = table["cost"] == "peak_memory_mb"
    table["value"] = table["median"].where(~peak, table["max"])
    return table[["arm", "seed", "cost", "value"]]


def _uneven(means: pd.DataFrame) -> str:
    """A note if losses had the machine for themselves to a different degree."""
    used = means["mean"].xs("utilisation", level="cost") if _has(means, "utilisation") else None
    if used is None or used.max() - used.min() <= _UNEVEN:
        return ""
    return (
        f"Utilisation differs from {used.min():.0f} % ({used.idxmin()}) to {used.max():.0f} % "
        f"({used.idxmax()}): the losses did not have the machine alike, or one of them leaves it "
        "idle. Where other processes ran beside them, time says nothing about the loss."
    )


def _row(comparison: Comparison, arm: Arm, means: pd.DataFrame, there: list[str]) -> list[Cell]:
    row = [Cell(arm.label)]
    base = comparison.baseline
    if base is not None:
        against = arm if arm.loss == base.loss else opponent(comparison, arm) or base
        for cost in (cost for cost in _RATIOS if cost in there):
            own, other = (_get(means, label, cost) for label in (arm.label, against.label))
            ratio = own["mean"] / other["mean"] if own is not None and other is not None else None
            row.append(Cell("n/a") if ratio is None else Cell(f"{ratio:.2f}", value=float(ratio)))
    for cost in there:
        _, form, factor = _COSTS[cost]
        found = _get(means, arm.label, cost)
        if found is None:
            row.append(Cell("n/a"))
            continue
        mean, low, high = (float(found[key]) * factor for key in ("mean", "min", "max"))
        note = "" if low == high else f"{low:{form}} to {high:{form}}"
        row.append(Cell(f"{mean:{form}}", note, value=mean))
    return row


def _has(means: pd.DataFrame, cost: str) -> bool:
    return cost in means.index.get_level_values("cost")


def _get(means: pd.DataFrame, label: str, cost: str) -> "pd.Series | None":
    return means.loc[(label, cost)] if (label, cost) in means.index else None
