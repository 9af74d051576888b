"""Focal loss: cross-entropy that is weaker where the model is confident."""

from lit_seg.losses.base import Counts, at_least_zero
from lit_seg.losses.pixelwise import PixelLoss
from lit_seg.ops import Modulation


class FocalLoss(PixelLoss):
    r"""The mean of :math:`(1 - p_y)^\gamma \cdot (-\log p_y)` over valid pixels.

    Args:
        class_counts: pixels per class; only their number is used.
        gamma: at least 0; 0 is cross-entropy.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Reference: Lin et al., *Focal Loss for Dense Object Detection*, arXiv 1708.02002, Eq. 4, in the
    softmax form of arXiv 2106.14917, section 4.4. The factor is part of the gradient.

    Public code often differs: recall-semseg and pytorch-deeplab-xception apply the formula to the
    mean cross-entropy of the batch, which weighs no pixel against another; smp's multiclass focal
    loss is one sigmoid per class; kornia's mean divides by C as well.

    Example:
        >>> import torch
        >>> loss = FocalLoss(class_counts=[90, 10])
        >>> round(loss(torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 255]])).item(), 4)
        0.1733
    """

    def __init__(self, class_counts: Counts, gamma: float = 2.0) -> None:
        super().__init__(class_counts)
        self.gamma = at_least_zero("gamma", gamma)

    @property
    def modulation(self) -> Modulation:
        return Modulation(power=self.gamma)
