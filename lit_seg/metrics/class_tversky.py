"""The Tversky index of each class, of which recall, precision, Dice and Jaccard are four cases."""

from math import inf

import torch
from torch import Tensor

from lit_seg.metrics.class_recall import recall_counts
from lit_seg.metrics.class_score import ClassScore
from lit_seg.metrics.labels import void_of


class ClassTversky(ClassScore):
    r"""The index of hard predictions per class, smoothed over steps as in :class:`ClassScore`.

    .. math:: \frac{TP}{TP + \alpha FP + \beta FN}

    is recall for (0, 1), precision for (1, 0), Dice or F1 for (.5, .5) and Jaccard for (1, 1).
    It is not defined where the denominator is 0.

    Args:
        num_classes: C, at least 2.
        fp_weight: :math:`\alpha \ge 0`.
        fn_weight: :math:`\beta \ge 0`; not both 0.
        momentum: share of the old index that is kept, in [0, 1).

    Example:
        >>> metric = ClassTversky(num_classes=3, fp_weight=1.0, fn_weight=0.0)  # precision
        >>> metric.update(torch.tensor([[0, 0, 1]]), torch.tensor([[0, 1, 1]]))
        >>> metric.compute()
        tensor([0.5000, 1.0000,    nan], dtype=torch.float64)
    """

    def __init__(
        self, num_classes: int, fp_weight: float, fn_weight: float, momentum: float = 0.0
    ) -> None:
        super().__init__(num_classes, rows=3, momentum=momentum)
        if not (0 <= fp_weight < inf and 0 <= fn_weight < inf and fp_weight + fn_weight > 0):
            raise ValueError(
                "`fp_weight` and `fn_weight` must be at least 0 and not both 0, got "
                f"{fp_weight} and {fn_weight}"
            )
        self.fp_weight = fp_weight
        self.fn_weight = fn_weight

    def count(self, preds: Tensor, target: Tensor) -> Tensor:
        """Row 0 hits, row 1 pixels of the class, row 2 valid pixels predicted as it."""
        hits, support = recall_counts(preds, target, self.num_classes)
        counted = torch.where(target == void_of(self.num_classes), self.num_classes, preds)
        predicted = torch.bincount(counted.flatten(), minlength=self.num_classes + 1)[:-1]
        return torch.stack([hits, support, predicted])

    def score(self, counts: Tensor) -> Tensor:
        hits, support, predicted = counts.to(self.value.dtype)
        wrong = self.fp_weight * (predicted - hits) + self.fn_weight * (support - hits)
        index: Tensor = hits / (hits + wrong)
        return index
