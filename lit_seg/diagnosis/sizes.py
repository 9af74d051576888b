"""Decides whether rarity or smallness costs recall, by masks of equal size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from lit_seg.analysis.group_data import masks_of
from lit_seg.analysis.image_counts import Cube, ImageCounts
from lit_seg.diagnosis.rules import below, limit

Cause = Literal["rarity", "smallness", "both", "neither", "unknown"]


@dataclass(frozen=True)
class Sizes:
    """Recall of masks by their size and by the frequency of their class.

    Recalls and gaps are means over the masks that ``masks_of`` finds.
    """

    masks: dict[str, list[int]]  # number in each bin of sizes, by group of classes
    recall: dict[str, list[float]]  # mean in each bin, by group of classes; NaN without a mask
    gap: float  # mean recall of the masks of all other classes minus that of the tail
    # The gap within bins, averaged with the tail's number of masks as weights; NaN if no bin has
    # enough masks of both. The share of the tail's masks that lie in such bins is compared.
    at_equal_size: float
    compared: float
    cause: Cause  # what costs the tail its recall


def by_size(counts: ImageCounts | Cube, groups: Mapping[str, Sequence[int]]) -> Sizes:
    """Sort the masks of pixel counts ``(I, C, 3)`` into bins, for groups of class ids."""
    masks = masks_of(counts)
    by_group = {name: _bins(masks[masks["class"].isin(ids)]) for name, ids in groups.items()}
    is_tail = masks["class"].isin(groups["tail"])
    tail, others = _bins(masks[is_tail]), _bins(masks[~is_tail])
    mean_tail, mean_others = (masks.loc[rows, "recall"].mean() for rows in (is_tail, ~is_tail))
    both = np.minimum(tail["number"], others["number"]) >= limit("FEWEST_MASKS")
    compared = tail.loc[both, "number"].sum() / max(1, tail["number"].sum())
    at_equal_size = gap_of_compared = float("nan")
    if both.any():
        weight = tail.loc[both, "number"] / tail.loc[both, "number"].sum()
        at_equal_size = float(weight @ (others - tail).loc[both, "recall"])
        gap_of_compared = float(mean_others - weight @ tail.loc[both, "recall"])
    return Sizes(
        masks={name: bins["number"].tolist() for name, bins in by_group.items()},
        recall={name: bins["recall"].tolist() for name, bins in by_group.items()},
        gap=float(mean_others - mean_tail),
        at_equal_size=at_equal_size,
        compared=float(compared),
        cause=_cause(gap_of_compared, at_equal_size, compared),
    )


def _bins(masks: pd.DataFrame) -> pd.DataFrame:
    """Count the masks in each bin and average their recall."""
    return masks.groupby("bin", observed=False)["recall"].agg(number="size", recall="mean")


def _cause(gap: float, at_equal_size: float, compared: float) -> Cause:
    """Decide the cause; ``gap`` is that of the tail's masks that can be compared."""
    if below(compared, "ENOUGH_COMPARED"):
        return "unknown"
    if below(gap, "LARGE_TAIL_GAP"):
        return "neither"
    if at_equal_size >= limit("MOST") * gap:
        return "rarity"
    return "smallness" if at_equal_size <= (1 - limit("MOST")) * gap else "both"
