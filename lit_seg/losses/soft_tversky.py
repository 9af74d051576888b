"""Soft Tversky: an overlap in which false positives and misses cost differently."""

from lit_seg.losses.base import Counts
from lit_seg.losses.overlap import OverlapLoss


class SoftTverskyLoss(OverlapLoss):
    r""":math:`1 - mean_c \frac{TP_c}{TP_c + \alpha FP_c + \beta FN_c}` with soft counts.

    Args:
        class_counts: pixels per class; only their number is used.
        fp_weight: :math:`\alpha \ge 0`, the weight of false positives.
        fn_weight: :math:`\beta > 0`, the weight of misses.
        per_image: the mean over images in place of the loss of the batch.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar in [0, 1].

    Reference: Salehi et al., *Tversky loss function for image segmentation*, arXiv 1706.05721,
    whose best were .3 and .7. Copies in public code swap the two, which is why they have names
    here.

    Example:
        >>> import torch
        >>> loss = SoftTverskyLoss(class_counts=[90, 10])
        >>> round(loss(torch.zeros(1, 2, 5), torch.tensor([[0, 0, 1, 1, 255]])).item(), 4)
        0.5
    """

    def __init__(
        self,
        class_counts: Counts,
        fp_weight: float = 0.3,
        fn_weight: float = 0.7,
        per_image: bool = False,
    ) -> None:
        super().__init__(class_counts, fp_weight, fn_weight, per_image)
