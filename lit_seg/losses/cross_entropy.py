"""Plain cross-entropy, the baseline that every other loss is compared with."""

from lit_seg.losses.base import Counts
from lit_seg.losses.pixelwise import PixelLoss


class CrossEntropyLoss(PixelLoss):
    r"""The mean of :math:`-\log p_y` over valid pixels, while training of all ranks.

    Args:
        class_counts: pixels per class; only their number is used.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Reference: Eq. 1 of arXiv 2106.14917 (there a sum).

    Example:
        >>> import torch
        >>> loss = CrossEntropyLoss(class_counts=[90, 10])
        >>> round(loss(torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 255]])).item(), 4)
        0.6931
    """

    def __init__(self, class_counts: Counts) -> None:
        super().__init__(class_counts)
