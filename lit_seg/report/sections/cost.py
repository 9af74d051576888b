"""What each loss costs: time, memory, utilisation."""

import pandas as pd

from lit_seg.analysis.arms import Arm
from lit_seg.analysis.comparison import Comparison
from lit_seg.report.blocks import Cell, Section, Table, Text

# name, format, factor
_COSTS = {
    "step_seconds": ("time per step, ms", ".1f", 1000),
    "cpu_seconds": ("processor time per step, ms", ".1f", 1000),
    "data_seconds": ("wait for data, ms", ".2f", 1000),
    "peak_memory_mb": ("peak memory, MB", ",.0f", 1),
    "utilisation": ("utilisation, %", ".0f", 1),
}


def section(comparison: Comparison) -> Section | None:
    """A row per loss; nothing if no run measured it."""
    values = costs(comparison)
    if values.empty:
        return None
    base = comparison.baseline
    there = [cost for cost in _COSTS if (values["cost"] == cost).any()]
    means = values.groupby(["arm", "cost"])["value"].agg(["mean", "min", "max"])
    rows = [_row(arm, base, means, there) for arm in comparison.arms]
    table = Table(
        "Median over the epochs of a run (of memory the peak); mean over seeds, and their range",
        ["loss", *([f"time, {base.label} = 1"] if base else []), *(_COSTS[c][0] for c in there)],
        rows,
        sortable=True,
        strong=[i for i, arm in enumerate(comparison.arms) if base and arm.loss == base.loss],
    )
    text = (
        "Measured on the machine that ran them, beside whatever else it did: these numbers are not "
        "repeatable as the scores are, and small differences mean nothing. Memory and utilisation "
        "are of the GPU if there was one, else of the process and its processor cores. What Fig. 5 "
        "of the PAT paper shows."
    )
    return Section("cost", "What it costs", [Text(text), table])


def costs(comparison: Comparison) -> pd.DataFrame:
    """arm, seed, cost, value: one number per run."""
    log = comparison.log
    rows = log[log["stat"].str.startswith("cost/")].dropna(subset="value")
    rows = rows.assign(cost=rows["stat"].str.removeprefix("cost/"))
    groups = rows.groupby(["arm", "seed", "cost"], sort=False)["value"].agg(["median", "max"])
    table = groups.reset_index()
    peak = table["cost"] == "peak_memory_mb"
    table["value"] = table["median"].where(~peak, table["max"])
    return table[["arm", "seed", "cost", "value"]]


def _row(arm: Arm, base: Arm | None, means: pd.DataFrame, there: list[str]) -> list[Cell]:
    row = [Cell(arm.label)]
    if base is not None:
        own, other = (_get(means, label, "step_seconds") for label in (arm.label, base.label))
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


def _get(means: pd.DataFrame, label: str, cost: str) -> "pd.Series | None":
    return means.loc[(label, cost)] if (label, cost) in means.index else None
