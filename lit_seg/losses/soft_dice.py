"""Soft Dice: the F1 score with probabilities in place of predictions."""

from lit_seg.losses.base import Counts
from lit_seg.losses.overlap import OverlapLoss


class SoftDiceLoss(OverlapLoss):
    r""":math:`1 - mean_c \frac{2 \sum p_c y_c}{\sum p_c + \sum y_c}` over the classes present.

    Args:
        class_counts: pixels per class; only their number is used.
        per_image: the mean over images in place of the loss of the batch.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar in [0, 1].

    Reference: Sudre et al., *Generalised Dice overlap*, arXiv 1707.03237, without its weights.

    Example:
        >>> import torch
        >>> loss = SoftDiceLoss(class_counts=[90, 10])
        >>> round(loss(torch.zeros(1, 2, 5), torch.tensor([[0, 0, 1, 1, 255]])).item(), 4)
        0.5
    """

    def __init__(self, class_counts: Counts, per_image: bool = False) -> None:
        super().__init__(class_counts, fp_weight=0.5, fn_weight=0.5, per_image=per_image)
