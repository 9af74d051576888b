"""Recall per class during training: the state of recall loss."""

import torch
from torch import Tensor

from lit_seg.metrics.class_score import ClassScore
from lit_seg.metrics.labels import void_of


def recall_counts(preds: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """True positives and support of each class.

    Args:
        preds: ``(N, *)`` predicted class ids.
        target: ``(N, *)`` int64 class ids or void.
        num_classes: C.

    Returns:
        ``(2, C)`` int64: row 0 pixels of the class that were predicted as it, row 1 its pixels.
    """
    # One count of 2y for a miss, 2y + 1 for a hit, and one bin past the end for void. On a GPU
    # `bincount` waits for the result; boolean indexing would wait too, and more often.
    void_bin = 2 * num_classes
    bins = torch.where(target == void_of(num_classes), void_bin, 2 * target + (preds == target))
    missed, hit = torch.bincount(bins.flatten(), minlength=void_bin + 1)[:-1].view(-1, 2).T
    return torch.stack([hit, missed + hit])


class ClassRecall(ClassScore):
    r"""Recall of each class, :math:`TP / (TP + FN)`, smoothed over steps as in :class:`ClassScore`.

    Args:
        num_classes: C, at least 2.
        momentum: share of the old recall that is kept, in [0, 1); 0 keeps nothing (the paper).
        min_misses: a present class counts as having missed at least so many pixels, summed over
            ranks.

    Example:
        >>> metric = ClassRecall(num_classes=3)
        >>> metric.update(torch.tensor([[0, 0, 1]]), torch.tensor([[0, 1, 1]]))
        >>> metric.compute()
        tensor([1.0000, 0.5000,    nan], dtype=torch.float64)
    """

    def __init__(self, num_classes: int, momentum: float = 0.0, min_misses: int = 0) -> None:
        super().__init__(num_classes, rows=2, momentum=momentum)
        if min_misses < 0:
            raise ValueError(f"`min_misses` must not be negative, got {min_misses}")
        self.min_misses = min_misses

    @property
    def recall(self) -> Tensor:
        """``(C,)`` the recall after the last step, NaN for classes never seen."""
        return self.value

    def count(self, preds: Tensor, target: Tensor) -> Tensor:
        return recall_counts(preds, target, self.num_classes)

    def score(self, counts: Tensor) -> Tensor:
        hits, support = counts
        hits = torch.minimum(hits, (support - self.min_misses).clamp(min=0))
        recall: Tensor = hits.to(self.value.dtype) / support
        return recall
