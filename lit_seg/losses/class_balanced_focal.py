"""Class-balanced weights on focal loss."""

from lit_seg.losses.base import Counts, at_least_zero
from lit_seg.losses.class_balanced import ClassBalancedLoss
from lit_seg.losses.frequency import Unit
from lit_seg.losses.pixelwise import Normalizer
from lit_seg.ops import Modulation


class ClassBalancedFocalLoss(ClassBalancedLoss):
    r"""The mean of :math:`w_y (1 - p_y)^\gamma \cdot (-\log p_y)`, with class-balanced weights.

    Args:
        class_counts: pixels per class, or a :class:`ClassCounts`.
        gamma: of focal loss, at least 0.
        beta: as in :class:`ClassBalancedLoss`.
        unit: as in :class:`ClassBalancedLoss`.
        normalizer: ``"valid"`` pixels or their ``"weight_sum"``, without the focal factor.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Raises:
        ValueError: if an argument is out of range, or images are not counted.

    Reference: Cui et al., arXiv 1901.05555, section 4. Their focal loss is one sigmoid per class;
    here, as in both papers that compare with it, it is the softmax form.

    Example:
        >>> import torch
        >>> loss = ClassBalancedFocalLoss(class_counts=[90, 10])
        >>> round(loss(torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 255]])).item(), 4)
        0.1315
    """

    def __init__(
        self,
        class_counts: Counts,
        gamma: float = 2.0,
        beta: float | None = None,
        unit: Unit = "pixels",
        normalizer: Normalizer = "valid",
    ) -> None:
        super().__init__(class_counts, beta, unit, normalizer)
        self.gamma = at_least_zero("gamma", gamma)

    @property
    def modulation(self) -> Modulation:
        return Modulation(power=self.gamma)
