"""Recall per class while training: the state behind recall loss."""

import torch
from torch import Tensor

from lit_seg.labels import VOID, check_labels, check_same_shape
from lit_seg.metrics.confusion import predict_labels
from lit_seg.metrics.exact import ExactMetric
from lit_seg.metrics.sync import sum_over_ranks


def recall_counts(preds: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """True positives and support of each class.

    Args:
        preds: ``(N, *)`` predicted class ids.
        target: ``(N, *)`` int64 class ids or ``VOID``.
        num_classes: C.

    Returns:
        ``(2, C)`` int64: row 0 pixels of the class that were predicted as it, row 1 its pixels.
    """
    # One bincount and no boolean indexing, which would wait for the GPU: 2y for a miss, 2y + 1 for
    # a hit, and one bin past the end for void.
    void_bin = 2 * num_classes
    bins = torch.where(target == VOID, void_bin, 2 * target + (preds == target))
    missed, hit = torch.bincount(bins.flatten(), minlength=void_bin + 1)[:-1].view(-1, 2).T
    return torch.stack([hit, missed + hit])


class ClassRecall(ExactMetric):
    r"""Recall of each class, smoothed over training steps if asked.

    Counts gather in an int64 scratch state by :meth:`update`, which :meth:`advance` sums over all
    ranks, folds into the persistent buffer :attr:`recall` and clears. For a class present in the
    step, with :math:`R^{new} = TP / (TP + FN)`,

    .. math:: R \leftarrow m R + (1 - m) R^{new}

    and simply :math:`R^{new}` when the class is seen for the first time. An absent class keeps its
    value: without that gate it would drift. Ratios are never averaged over ranks, only counts are
    summed, and the buffer is equal on every rank, so any rank's checkpoint holds all of it.

    Args:
        num_classes: C, at least 2.
        momentum: share of the old recall that is kept, in [0, 1); 0 keeps nothing (the paper).
        min_misses: a present class counts as having missed at least so many pixels, summed over
            ranks.

    Raises:
        ValueError: if an argument is out of range.

    Example:
        >>> metric = ClassRecall(num_classes=3)
        >>> metric.update(torch.tensor([[0, 0, 1]]), torch.tensor([[0, 1, 1]]))
        >>> metric.compute()
        tensor([1.0000, 0.5000,    nan], dtype=torch.float64)
    """

    full_state_update = False
    is_differentiable = False
    higher_is_better = True
    counts: Tensor
    recall: Tensor

    def __init__(self, num_classes: int, momentum: float = 0.0, min_misses: int = 0) -> None:
        if num_classes < 2:
            raise ValueError(f"`num_classes` must be at least 2, got {num_classes}")
        if not 0 <= momentum < 1:
            raise ValueError(f"`momentum` must be in [0, 1), got {momentum}")
        if min_misses < 0:
            raise ValueError(f"`min_misses` must not be negative, got {min_misses}")
        super().__init__()
        self.num_classes = num_classes
        self.momentum = momentum
        self.min_misses = min_misses
        self.add_state("counts", torch.zeros(2, num_classes, dtype=torch.long), "sum")
        # float64, since 1 - R must stay exact where R is close to 1
        self.register_buffer("recall", torch.full((num_classes,), torch.nan, dtype=torch.float64))

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Count a batch.

        Args:
            preds: ``(N, *)`` class ids, or ``(N, C, *)`` scores whose largest is the prediction.
            target: ``(N, *)`` class ids or ``VOID``.

        Raises:
            ValueError: if shapes differ or a label is neither a class nor void.
        """
        if preds.ndim == target.ndim + 1:
            preds = predict_labels(preds)
        target = target.long()
        check_same_shape(preds, target)
        check_labels(target, self.num_classes)
        self.counts += recall_counts(preds, target, self.num_classes)

    def update_counts(self, counts: Tensor) -> None:
        """Add ``(2, C)`` true positives and support that were counted elsewhere."""
        self.counts += counts
        # what torchmetrics' wrapped `update` does: drop the cached result, count the update
        self._computed = None
        self._update_count += 1

    def compute(self) -> Tensor:
        """``(C,)`` recall with the counts gathered so far, NaN for classes never seen."""
        return self._folded(self.counts)

    def advance(self) -> Tensor:
        """End a step: fold the counts of all ranks into :attr:`recall` and clear them.

        Every rank must call it. Returns the counts summed over ranks, ``(2, C)``.
        """
        counts = sum_over_ranks(self.counts)
        self.recall = self._folded(counts)
        self.reset()
        return counts

    def _folded(self, counts: Tensor) -> Tensor:
        hits, support = counts
        hits = torch.minimum(hits, (support - self.min_misses).clamp(min=0))
        new = hits.to(self.recall.dtype) / support
        smoothed = self.momentum * self.recall + (1 - self.momentum) * new
        smoothed = torch.where(self.recall.isnan(), new, smoothed)
        return torch.where(support > 0, smoothed, self.recall)
