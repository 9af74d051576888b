"""A score of each class during training, optionally smoothed over steps."""

from abc import abstractmethod

import torch
from torch import Tensor

from lit_seg.metrics.collectives import sum_over_ranks
from lit_seg.metrics.full_precision import FullPrecisionMetric
from lit_seg.metrics.labels import check_predictions
from lit_seg.ops.predict_labels import predict_labels


class ClassScore(FullPrecisionMetric):
    r"""Base of :class:`ClassRecall` and :class:`ClassTversky`: from counts to the score of a step.

    Counts gather in an int64 scratch state by :meth:`update`, which :meth:`advance` sums over all
    ranks, folds into the persistent buffer :attr:`value` and clears. Where the step's score
    :math:`S^{new}` is defined,

    .. math:: S \leftarrow m S + (1 - m) S^{new}

    and simply :math:`S^{new}` when it is defined for the first time; elsewhere, as for an absent
    class, it stays: without that gate it would drift. Ratios are never averaged over ranks, only
    counts are summed, and the buffer is equal on every rank, so any rank's checkpoint holds all.

    Args:
        num_classes: C, at least 2.
        rows: how many counts there are per class.
        momentum: share of the old score that is kept, in [0, 1); 0 keeps nothing.

    Raises:
        ValueError: if an argument is out of range.
    """

    higher_is_better = True
    counts: Tensor
    value: Tensor

    def __init__(self, num_classes: int, rows: int, momentum: float) -> None:
        if num_classes < 2:
            raise ValueError(f"`num_classes` must be at least 2, got {num_classes}")
        if not 0 <= momentum < 1:
            raise ValueError(f"`momentum` must be in [0, 1), got {momentum}")
        super().__init__()
        self.num_classes = num_classes
        self.momentum = momentum
        self.add_state("counts", torch.zeros(rows, num_classes, dtype=torch.long), "sum")
        # float64, since 1 - score must stay exact where the score is close to 1
        self.register_buffer("value", torch.full((num_classes,), torch.nan, dtype=torch.float64))

    @abstractmethod
    def count(self, preds: Tensor, target: Tensor) -> Tensor:
        """``(rows, C)`` int64 counts of ``(N, *)`` predicted and true class ids."""

    @abstractmethod
    def score(self, counts: Tensor) -> Tensor:
        """``(C,)`` float64 scores of summed counts, NaN where a score is not defined."""

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Count a batch.

        Args:
            preds: ``(N, *)`` class ids, or ``(N, C, *)`` scores whose largest is the prediction.
            target: ``(N, *)`` class ids or void.

        Raises:
            ValueError: if shapes differ, a label is neither a class nor void, or a prediction is no
                class.
        """
        if preds.ndim == target.ndim + 1:
            preds = predict_labels(preds)
        target = target.long()
        check_predictions(preds, target, self.num_classes)
        self.counts += self.count(preds, target)

    def compute(self) -> Tensor:
        """``(C,)`` scores with the counts gathered so far, NaN for classes never scored."""
        return self._folded(self.counts)

    def advance(self, further: Tensor | int = 0) -> Tensor:
        """End a step: fold the counts of all ranks into :attr:`value` and clear them.

        Every rank must call it.

        Args:
            further: ``(rows, C)`` counts of this rank that :meth:`update` did not take.

        Returns:
            The counts summed over ranks, ``(rows, C)``.
        """
        counts = sum_over_ranks(self.counts + further)
        self.value = self._folded(counts)
        self.reset()
        return counts

    def _folded(self, counts: Tensor) -> Tensor:
        new = self.score(counts)
        smoothed = self.momentum * self.value + (1 - self.momentum) * new
        smoothed = torch.where(self.value.isnan(), new, smoothed)
        return torch.where(new.isnan(), self.value, smoothed)
