"""Plain cross-entropy, the baseline that every other loss is compared with."""

from collections.abc import Sequence

from lit_seg.losses.base import Card, ClassCounts
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

    card = Card(
        name="ce",
        family="plain",
        formula="mean -log p",
        needs="nothing",
        paper="2106.14917 Eq. 1",
        differs="no",
    )

    def __init__(self, class_counts: Sequence[int] | ClassCounts) -> None:
        super().__init__(class_counts)
