"""Does rarity hurt, or smallness? Rare and frequent classes compared in masks of one size."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lit_seg.diagnosis.reading import HITS, LABELLED, Array, Counts
from lit_seg.diagnosis.rules import below, limit

EDGES = (0.001, 0.01, 0.1)
"""Of the bins, as shares of the labelled pixels of an image; a lower edge is in its bin."""
BINS = ("< 0.1 %", "0.1 - 1 %", "1 - 10 %", ">= 10 %")

Cause = Literal["rarity", "smallness", "both", "neither", "unknown"]


@dataclass(frozen=True)
class Sizes:
    """How much of a mask is found, by its size and the frequency of its class.

    A mask is what is labelled as one class in one image. Its recall is hits over labelled pixels;
    all are means over masks.

    Attributes:
        masks: number in each bin, by group of classes.
        recall: mean recall in each bin, NaN without a mask, by group.
        gap: mean recall of the masks of the other classes less the tail's.
        at_equal_size: the same within bins, averaged with the tail's masks as weights; NaN if no
            bin has enough of both.
        compared: share of the tail's masks that lie in such bins.
        cause: what that says.
    """

    masks: dict[str, list[int]]
    recall: dict[str, list[float]]
    gap: float
    at_equal_size: float
    compared: float
    cause: Cause


def by_size(counts: Counts, groups: Mapping[str, Sequence[int]]) -> Sizes:
    """Sort the masks of ``(I, C, 3)`` pixel counts into bins, for groups of class ids."""
    labelled = counts[:, :, LABELLED]
    image, cls = np.nonzero(labelled)
    pixels = labelled[image, cls]
    share = pixels / labelled.sum(1)[image]
    recall = counts[image, cls, HITS] / pixels
    place = np.digitize(share, EDGES)
    inside = {name: np.isin(cls, list(ids)) for name, ids in groups.items()}
    masks = {name: _numbers(place[here]) for name, here in inside.items()}
    means = {name: _means(place[here], recall[here]) for name, here in inside.items()}
    tail = inside["tail"]
    ours, others = _numbers(place[tail]), _numbers(place[~tail])
    fewest = limit("FEWEST_MASKS")
    both = [i for i in range(len(BINS)) if min(ours[i], others[i]) >= fewest]
    compared = sum(ours[i] for i in both) / max(1, sum(ours))
    mean_ours, mean_others = _means(place[tail], recall[tail]), _means(place[~tail], recall[~tail])
    gap = _mean(recall[~tail]) - _mean(recall[tail])
    at_equal_size, in_both = float("nan"), float("nan")
    if both:
        weight = np.array([ours[i] for i in both]) / sum(ours[i] for i in both)
        steps = np.array([mean_others[i] - mean_ours[i] for i in both])
        at_equal_size = float(weight @ steps)
        in_both = _mean(recall[~tail]) - float(weight @ [mean_ours[i] for i in both])
    cause = _cause(in_both, at_equal_size, compared)
    return Sizes(masks, means, gap, at_equal_size, compared, cause)


def _cause(gap: float, at_equal_size: float, compared: float) -> Cause:
    """``gap`` is of the masks that are compared."""
    if below(compared, "ENOUGH_COMPARED"):
        return "unknown"
    if below(gap, "LARGE_TAIL_GAP"):
        return "neither"
    if at_equal_size >= limit("MOST") * gap:
        return "rarity"
    return "smallness" if at_equal_size <= (1 - limit("MOST")) * gap else "both"


def _numbers(place: Array) -> list[int]:
    return [int((place == i).sum()) for i in range(len(BINS))]


def _means(place: Array, recall: Array) -> list[float]:
    return [_mean(recall[place == i]) for i in range(len(BINS))]


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else float("nan")
