"""From pixel counts per class to the scores of a comparison, of a run or of many resamples."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LABELLED, PREDICTED, HITS = range(3)
"""Places in the last axis of counts."""

STATS = ("miou", "macc", "mprec", "pixel_acc", "tail_recall", "tail_precision", "tail_iou")
"""Places in the last axis of scores."""

STAT_NAMES = {
    "miou": "mean IoU",
    "macc": "mean accuracy",
    "mprec": "mean precision",
    "pixel_acc": "pixel accuracy",
    "tail_recall": "tail recall",
    "tail_precision": "tail precision",
    "tail_iou": "tail IoU",
}


def class_scores(counts: npt.NDArray[np.number]) -> tuple[Array, Array, Array]:
    """IoU, recall and precision per class.

    Args:
        counts: ``(..., C, 3)`` pixels labelled, predicted and both.

    Returns:
        Three arrays ``(..., C)``; NaN where a class is neither labelled nor predicted (IoU), not
        labelled (recall) or not predicted (precision).
    """
    labelled, predicted, hits = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    return (
        _ratio(hits, labelled + predicted - hits),
        _ratio(hits, labelled),
        _ratio(hits, predicted),
    )


def overall_scores(counts: npt.NDArray[np.number], tail: Sequence[int]) -> Array:
    """The scores named in ``STATS``; a class that has no score is left out of a mean.

    Args:
        counts: ``(..., C, 3)`` pixels labelled, predicted and both.
        tail: ids of the tail classes.

    Returns:
        ``(..., 7)``; NaN where no class has the score.
    """
    iou, recall, precision = class_scores(counts)
    sums = np.asarray(counts, np.float64).sum(axis=-2)
    pixel_acc = _ratio(sums[..., HITS], sums[..., LABELLED])
    return from_classes(iou, recall, precision, pixel_acc, tail)


def from_classes(
    iou: Array, recall: Array, precision: Array, pixel_acc: Array, tail: Sequence[int]
) -> Array:
    """The scores named in ``STATS`` from those of classes ``(..., C)``, as ``(..., 7)``."""
    ids = list(tail)
    columns = [_mean(iou), _mean(recall), _mean(precision), pixel_acc]
    columns += [_mean(recall[..., ids]), _mean(precision[..., ids]), _mean(iou[..., ids])]
    return np.stack(columns, axis=-1)


def _ratio(part: Array, whole: Array) -> Array:
    out: Array = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=out, where=np.asarray(whole) > 0)
    return out


def _mean(values: Array) -> Array:
    """Mean over classes without NaN; without numpy's warning where all are."""
    there = ~np.isnan(values)
    number: Array = there.sum(axis=-1).astype(np.float64)
    return _ratio(np.where(there, values, 0).sum(axis=-1), number)
