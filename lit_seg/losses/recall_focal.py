"""Recall loss and focal loss in one: hard classes, and within them hard pixels."""

from lit_seg.losses.base import Counts, at_least_zero
from lit_seg.losses.pixelwise import Normalizer
from lit_seg.losses.recall import RecallLoss
from lit_seg.ops import Modulation


class RecallFocalLoss(RecallLoss):
    r"""The mean of :math:`(1 - R_y) (1 - p_y)^\gamma \cdot (-\log p_y)` over valid pixels.

    Args:
        class_counts: pixels per class; only their number is used.
        gamma: of focal loss, at least 0; 0 is recall loss.
        momentum: as in :class:`RecallLoss`, as are the options that follow.
        normalizer: ``"valid"`` pixels or their ``"weight_sum"``, without the focal factor.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    No paper proposes it: arXiv 2106.14917 (section 4.4) sets the two weights against each other,
    and this loss multiplies them.

    Example:
        >>> import torch
        >>> loss = RecallFocalLoss(class_counts=[90, 10])
        >>> round(loss(torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 255]])).item(), 4)
        0.0578
    """

    def __init__(
        self,
        class_counts: Counts,
        gamma: float = 2.0,
        momentum: float = 0.0,
        normalizer: Normalizer = "valid",
        floor_one: bool = False,
        min_weight: float = 0.0,
        max_weight: float = 1.0,
    ) -> None:
        super().__init__(class_counts, momentum, normalizer, floor_one, min_weight, max_weight)
        self.gamma = at_least_zero("gamma", gamma)

    @property
    def modulation(self) -> Modulation:
        return Modulation(power=self.gamma)
