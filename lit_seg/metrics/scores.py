"""The definition of every score: from pixel counts per class to scores of classes and means.

Everything that prints, logs or compares a score computes it here: training, the table at the end
of a run, the report, the diagnosis and the checks of the papers.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LABELLED, PREDICTED, HITS = range(3)
"""Places in the last axis of counts."""

CLASS_STATS = ("iou", "recall", "precision")
"""Scores of a class, in the order in which ``class_scores`` returns them."""

STAT_NAMES = {
    "miou": "mean IoU",
    "macc": "mean accuracy",
    "mprec": "mean precision",
    "pixel_acc": "pixel accuracy",
    "tail_recall": "tail recall",
    "tail_precision": "tail precision",
    "tail_iou": "tail IoU",
}
"""Scores of a whole run, and what people call them."""

STATS = tuple(STAT_NAMES)
"""Places in the last axis of scores."""

MEANS = STATS[:4]
"""Those of them that need no groups of classes."""

LEAST_PREDICTED = 0.01
"""A class has a precision if at least this share of its labelled pixels is predicted as it.

Otherwise two pixels that happen to be right would be a precision of 100 %. Below this share recall
is below 1 % as well: the class is not found, and its few predicted pixels say nothing. The rule is
a share so that it is the same for small and large validation sets."""


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


def dice_scores(iou: Array) -> Array:
    """Dice, also called F1, of classes ``(..., C)`` from their IoU: 2 IoU / (1 + IoU)."""
    return 2 * iou / (1 + iou)


def dice_error(iou: Array) -> Array:
    """The sum of 1 - Dice over the classes ``(..., C)`` that have an IoU.

    This is our reading of the "Dice Err" in Table 3 of the PAT paper (Do et al.), which does not
    define it: its largest value is 3.08, so it is not 1 - Dice. It grows with the number of
    classes, and is comparable on one dataset only.
    """
    error: Array = np.nansum(1 - dice_scores(iou), axis=-1)
    return error


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
        of_precision: ``(..., C)``, the classes that mean and tail precision are taken over if any
            pixel is predicted as them; by default those that ``is_predicted``.

    Returns:
        ``(..., 7)``; NaN where no class has the score.
    """
    iou, recall, precision = class_scores(counts)
    if of_precision is not None:
        every = _ratio(counts[..., HITS], counts[..., PREDICTED])
        precision = np.where(of_precision, every, np.nan)
    return from_classes(iou, recall, precision, pixel_accuracy(counts), tail)


def pixel_accuracy(counts: npt.NDArray[np.number]) -> Array:
    """The share of the labelled pixels that are predicted correctly, of counts ``(..., C, 3)``."""
    sums = np.asarray(counts, np.float64).sum(axis=-2)
    return _ratio(sums[..., HITS], sums[..., LABELLED])


def score_differences(
    ours: npt.NDArray[np.number],
    baseline: npt.NDArray[np.number],
    tail: Sequence[int],
    both: npt.NDArray[np.bool_] | None = None,
) -> Array:
    """How much higher the scores of ``STATS`` are than those of a baseline.

    The mean precision of a loss that never predicts its hard classes is a mean over the easy ones.
    Mean and tail precision are therefore compared over the classes that both predict.

    Args:
        ours: ``(..., C, 3)`` pixels labelled, predicted and both.
        baseline: the same of the baseline.
        tail: ids of the tail classes.
        both: ``(..., C)``, the classes that both predict; by default those that ``is_predicted``
            in both. Resamples need the classes of the whole set, or classes come and go.

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
    columns = [*map(class_mean, (iou, recall, precision)), pixel_acc]
    columns += [class_mean(values[..., ids]) for values in (recall, precision, iou)]
    return np.stack(columns, axis=-1)


def _ratio(part: npt.NDArray[np.number], whole: npt.NDArray[np.number]) -> Array:
    out: Array = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=out, where=np.asarray(whole) > 0)
    return out


def class_mean(values: Array) -> Array:
    """Mean over the classes ``(..., C)`` that have a value; NaN where none has one."""
    there = ~np.isnan(values)
    number: Array = there.sum(axis=-1).astype(np.float64)
    return _ratio(np.where(there, values, 0).sum(axis=-1), number)
