"""What PAT claims of cost, beside what `make bench` found."""

from typing import Any

from experiments.bench.rivals import BASE

MARGIN = 0.02
"""A smaller difference, as a part of the whole, is none."""
Row = dict[str, Any]
COSTS = (
    ("memory", "pat", "blv", "memory, MiB"),
    ("memory", "pat", "ldam", "memory, MiB"),
    ("time", "pat", "blv", "s per epoch"),
    ("time", "pat", "ldam", "s per epoch"),
    ("time", "ce", "pat", "s per epoch"),
)
"""Of Fig. 5: the quantity in which the first loss is to cost less than the second, its column."""
GROWTH = (
    ("time", "pat", "ldam", f"time over {BASE}"),
    ("time", "pat", "blv", f"time over {BASE}"),
    ("time", "ldam", "blv", f"time over {BASE}"),
    ("space", "pat", "ldam", "peak over the logits"),
    ("space", "pat", "blv", "peak over the logits"),
)
"""Of Table 2."""


def verdicts(rows: list[Row], claims: tuple[tuple[str, str, str, str], ...]) -> list[Row]:
    """A row for each claim that one loss costs less than another one."""
    by_loss = {row["loss"]: row for row in rows}
    found = []
    for quantity, less, more, column in claims:
        if less in by_loss and more in by_loss:
            ratio = by_loss[less][column] / by_loss[more][column]
            claim = f"{less} takes less {quantity} than {more}"
            row = {"claim": claim, "ratio found": f"{ratio:.2f}", "verdict": verdict(ratio)}
            found.append(row)
    return found


def verdict(ratio: float) -> str:
    """Of the claim that a ratio is below one."""
    if abs(ratio - 1) <= MARGIN:
        return "**not held**: no difference"
    return "**held**" if ratio < 1 else "**not held**"
