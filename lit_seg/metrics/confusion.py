"""The confusion matrix over a dataset and the scores per class that follow from it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lit_seg.metrics.exact import ExactMetric
from lit_seg.metrics.labels import check_labels, check_same_shape, void_of
from lit_seg.metrics.scores import MEANS, class_scores, overall_scores


def predict_labels(logits: Tensor) -> Tensor:
    """The class with the largest logit, the lowest id among equals: ``(N, C, *)`` to ``(N, *)``."""
    logits = logits.detach()
    if logits.is_cuda or not logits.is_contiguous():
        return logits.argmax(1)
    # argmax over a strided axis is not vectorised on the CPU: 90 ms against 27 ms for this scan
    # over the classes (8x11x240x320, one thread).
    best = logits[:, 0].clone()
    labels = torch.zeros(best.shape, dtype=torch.long, device=logits.device)
    for c in range(1, logits.shape[1]):
        labels.masked_fill_(logits[:, c] > best, c)
        torch.maximum(best, logits[:, c], out=best)
    return labels


def confusion_matrix(preds: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """``(C, C)`` int64 pixel counts, rows are true and columns predicted classes; void left out."""
    void_bin = num_classes**2
    bins = torch.where(target == void_of(num_classes), void_bin, target * num_classes + preds)
    counts = torch.bincount(bins.flatten(), minlength=void_bin + 1)[:-1]
    return counts.view(num_classes, num_classes)


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


class ConfusionMatrix(ExactMetric):
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

    full_state_update = False
    is_differentiable = False
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
        check_same_shape(preds, target)
        check_labels(target, self.num_classes)
        # what is predicted where nothing is labelled does not count
        counted = preds.masked_fill(target == void_of(self.num_classes), 0)
        check_labels(counted, self.num_classes, "preds", void=False)
        self.confusion += confusion_matrix(preds, target, self.num_classes)

    def compute(self) -> Tensor:
        """The counts so far, over all ranks."""
        return self.confusion
