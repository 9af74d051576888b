"""Recall loss where a batch holds an image of a class at most: recall is counted over epochs."""

import torch
from torch import Tensor

from lit_seg.losses.base import Counts
from lit_seg.losses.frequency import pixels_of
from lit_seg.losses.pixelwise import Normalizer
from lit_seg.losses.recall import RecallLoss
from lit_seg.metrics.class_recall import ClassRecall


class EpochRecallLoss(RecallLoss):
    r"""Recall loss with the recall of the last one to two epochs in place of that of one step.

    With 8,142 classes and batches of 128 a class has one image in a step, if any: its recall is 0
    or 1, and recall loss would be cross-entropy over the images that are wrong. Here hits and
    images of a class are added up since the beginning of the last complete epoch. An epoch is as
    many labels, over all ranks, as the training set holds.

    Args:
        class_counts: training images per class.
        normalizer: as in :class:`RecallLoss`.
        floor_one: as in :class:`RecallLoss`, over the whole window.
        min_weight: lower bound of the weights.
        max_weight: upper bound of the weights.

    Shapes: ``(N, C)`` logits and ``(N,)`` labels to a scalar.

    Reference: ours. The paper (arXiv 2106.14917) does not say how it counts recall over 365 and
    8,142 classes. The other way is ``RecallLoss(momentum=...)``, a moving average that only the
    steps with the class change.

    Example:
        >>> loss = EpochRecallLoss(class_counts=[3, 1])
        >>> for label in (0, 1, 0):  # class 0 is always predicted
        ...     _ = loss(torch.tensor([[1.0, 0.0]]), torch.tensor([label]))
        >>> loss.class_stats()["weight"]
        tensor([0., 1.], dtype=torch.float64)
    """

    def __init__(
        self,
        class_counts: Counts,
        normalizer: Normalizer = "valid",
        floor_one: bool = False,
        min_weight: float = 0.0,
        max_weight: float = 1.0,
    ) -> None:
        super().__init__(
            class_counts,
            normalizer=normalizer,
            floor_one=floor_one,
            min_weight=min_weight,
            max_weight=max_weight,
        )
        self.state = EpochRecall(
            self.num_classes, int(pixels_of(class_counts).sum()), min_misses=int(floor_one)
        )


class EpochRecall(ClassRecall):
    """Recall of each class over the last complete epoch and the present one.

    Args:
        num_classes: C.
        labels: of an epoch, over all ranks.
        min_misses: as in :class:`ClassRecall`.
    """

    last: Tensor
    present: Tensor

    def __init__(self, num_classes: int, labels: int, min_misses: int = 0) -> None:
        super().__init__(num_classes, min_misses=min_misses)
        self.labels = labels
        self.register_buffer("last", torch.zeros(2, num_classes, dtype=torch.long))
        self.register_buffer("present", torch.zeros(2, num_classes, dtype=torch.long))

    def score(self, counts: Tensor) -> Tensor:
        return super().score(self.last + self.present + counts)

    def advance(self, further: Tensor | int = 0) -> Tensor:
        """Take the counts of a step, of all ranks, into those of the epoch; they are returned."""
        counts = super().advance(further)
        self.present += counts
        full = self.present[1].sum() >= self.labels  # on a GPU nobody waits for it
        self.last = torch.where(full, self.present, self.last)
        self.present = torch.where(full, 0, self.present)
        return counts
