"""Pixel counts of a dataset and of its images, and the scores per class that follow from them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lit_seg.metrics.full_precision import FullPrecisionMetric
from lit_seg.metrics.labels import check_predictions, void_of
from lit_seg.metrics.scores import MEANS, class_scores, overall_scores


def confusion_matrix(preds: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """``(C, C)`` int64 pixel counts, rows are true and columns predicted classes; void left out."""
    void_bin = num_classes**2
    bins = torch.where(target == void_of(num_classes), void_bin, target * num_classes + preds)
    counts = torch.bincount(bins.flatten(), minlength=void_bin + 1)[:-1]
    return counts.view(num_classes, num_classes)


def image_counts(preds: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """Pixels of each class in each image: labelled as it, predicted as it, and both.

    Args:
        preds: ``(N, *)`` predicted class ids.
        target: ``(N, *)`` int64 class ids or void, where nothing counts.
        num_classes: C.

    Returns:
        ``(N, 3, C)`` int64. Summed over images, IoU is hits / (labelled + predicted - hits).
    """
    void = target == void_of(num_classes)
    hits = torch.where(preds == target, target, num_classes)
    bins = torch.stack([target, preds, hits], dim=1).masked_fill_(void.unsqueeze(1), num_classes)
    rows = torch.arange(3 * len(target), device=target.device) * (num_classes + 1)
    flat = bins.view(len(rows), -1) + rows.unsqueeze(1)
    counts = torch.bincount(flat.flatten(), minlength=len(rows) * (num_classes + 1))
    return counts.view(len(target), 3, num_classes + 1)[..., :num_classes]


@dataclass(frozen=True)
class ClassScores:
    """Scores over a whole dataset as ``lit_seg.metrics.scores`` defines them, in float64.

    Attributes:
        confusion: ``(C, C)`` pixel counts, rows are true and columns predicted classes.
        iou: ``(C,)`` TP / (TP + FP + FN); NaN for a class neither labelled nor predicted.
        recall: ``(C,)`` TP / (TP + FN), also called accuracy; NaN for a class not labelled.
        precision: ``(C,)`` TP / (TP + FP); NaN for a class that is hardly ever predicted.
        miou: mean IoU over the classes that have one.
        macc: mean accuracy, which is the mean recall over labelled classes.
        mprec: mean precision over predicted classes; it ignores classes never predicted.
        pixel_acc: share of the labelled pixels that are predicted correctly.
    """

    confusion: Tensor
    iou: Tensor
    recall: Tensor
    precision: Tensor
    miou: Tensor
    macc: Tensor
    mprec: Tensor
    pixel_acc: Tensor

    @property
    def num_scored(self) -> int:
        """How many classes the mean IoU is taken over."""
        return int(self.iou.isfinite().sum())


def confusion_scores(confusion: Tensor) -> ClassScores:
    """Scores of a ``(C, C)`` confusion matrix on the CPU, rows true and columns predicted."""
    columns = [confusion.sum(1), confusion.sum(0), confusion.diagonal()]
    counts = torch.stack(columns, dim=-1).numpy()
    per_class = map(torch.from_numpy, class_scores(counts))
    overall = torch.from_numpy(overall_scores(counts, tail=()))
    return ClassScores(confusion, *per_class, *overall[: len(MEANS)])


class ConfusionMatrix(FullPrecisionMetric):
    """The ``(C, C)`` confusion matrix summed over batches and ranks, int64.

    Args:
        num_classes: C, at least 2.

    Example:
        >>> metric = ConfusionMatrix(num_classes=2)
        >>> metric.update(torch.tensor([[0, 1, 1]]), torch.tensor([[0, 0, 255]]))  # 255 is void
        >>> metric.compute()
        tensor([[1, 1],
                [0, 0]])
    """

    confusion: Tensor

    def __init__(self, num_classes: int) -> None:
        if num_classes < 2:
            raise ValueError(f"`num_classes` must be at least 2, got {num_classes}")
        super().__init__()
        self.num_classes = num_classes
        self.add_state("confusion", torch.zeros(num_classes, num_classes, dtype=torch.long), "sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Count a batch of ``(N, *)`` predicted and true class ids.

        Raises:
            ValueError: if shapes differ, a label is neither a class nor void, or a prediction is
                no class.
        """
        target = target.long()
        check_predictions(preds, target, self.num_classes)
        self.confusion += confusion_matrix(preds, target, self.num_classes)

    def compute(self) -> Tensor:
        """The counts so far, over all ranks."""
        return self.confusion
