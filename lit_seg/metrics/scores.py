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


LEAST_PREDICTED = 0.01
"""Of the labelled pixels of a class: with less predicted as it, it has no precision.

Two pixels that happen to hit would be a precision of 100 %. Below this share recall is below 1 %
as well: the class is not found, and how sure its few pixels are says nothing. As a share it is
the same rule for small and large validation sets."""


def class_scores(counts: npt.NDArray[np.number]) -> tuple[Array, Array, Array]:
    """IoU, recall and precision per class.

    Args:
        counts: ``(..., C, 3)`` pixels labelled, predicted and both.

    Returns:
        Three arrays ``(..., C)``; NaN where a class is neither labelled nor predicted (IoU), not
        labelled (recall) or hardly ever predicted (precision; ``is_predicted``).
    """
    labelled, predicted, hits = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    return (
        _ratio(hits, labelled + predicted - hits),
        _ratio(hits, labelled),
        np.where(is_predicted(counts), _ratio(hits, predicted), np.nan),
    )


def is_predicted(counts: npt.NDArray[np.number]) -> npt.NDArray[np.bool_]:
    """Which classes are predicted often enough to have a precision, ``(..., C)``."""
    predicted, labelled = counts[..., PREDICTED], counts[..., LABELLED]
    enough: npt.NDArray[np.bool_] = (predicted > 0) & (predicted >= LEAST_PREDICTED * labelled)
    return enough


def overall_scores(
    counts: npt.NDArray[np.number],
    tail: Sequence[int],
    of_precision: npt.NDArray[np.bool_] | None = None,
) -> Array:
    """The scores named in ``STATS``; a class that has no score is left out of a mean.

    Args:
        counts: ``(..., C, 3)`` pixels labelled, predicted and both.
        tail: ids of the tail classes.
        of_precision: ``(..., C)``, the classes that mean and tail precision are over, as far as
            any of their pixels are predicted; without it those that ``is_predicted``.

    Returns:
        ``(..., 7)``; NaN where no class has the score.
    """
    iou, recall, precision = class_scores(counts)
    sums = np.asarray(counts, np.float64).sum(axis=-2)
    pixel_acc = _ratio(sums[..., HITS], sums[..., LABELLED])
    if of_precision is not None:
        whole = np.asarray(counts, np.float64)
        precision = np.where(of_precision, _ratio(whole[..., HITS], whole[..., PREDICTED]), np.nan)
    return from_classes(iou, recall, precision, pixel_acc, tail)


def score_differences(
    ours: npt.NDArray[np.number],
    baseline: npt.NDArray[np.number],
    tail: Sequence[int],
    both: npt.NDArray[np.bool_] | None = None,
) -> Array:
    """How much higher the scores of ``STATS`` are than those of a baseline.

    A loss that never predicts its hard classes has a mean precision of the easy ones. Mean and tail
    precision are therefore compared over the classes that both predict.

    Args:
        ours: ``(..., C, 3)`` pixels labelled, predicted and both.
        baseline: the same of the baseline.
        tail: ids of the tail classes.
        both: ``(..., C)``, the classes that both predict; without it those that ``is_predicted``
            in both. Of resamples give those of the whole set, or classes come and go.

    Returns:
        ``(..., 7)``; NaN where no class has the score, or none has it with both.
    """
    if both is None:
        both = is_predicted(ours) & is_predicted(baseline)
    return overall_scores(ours, tail, both) - overall_scores(baseline, tail, both)


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
