"""Soft IoU: the Jaccard index with probabilities in place of predictions."""

from lit_seg.losses.base import Counts
from lit_seg.losses.overlap import OverlapLoss


class SoftIoULoss(OverlapLoss):
    r""":math:`1 - mean_c \frac{\sum p_c y_c}{\sum (p_c + y_c - p_c y_c)}` over the classes present.

    Args:
        class_counts: pixels per class; only their number is used.
        per_image: the mean over images in place of the loss of the batch.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar in [0, 1].

    Reference: Rahman & Wang, *Optimizing Intersection-Over-Union in Deep Neural Networks for Image
    Segmentation*, 2016. In recall-semseg the mean includes absent classes (each 0), void counts in
    the union, and the labels that were passed are changed.

    Example:
        >>> import torch
        >>> loss = SoftIoULoss(class_counts=[90, 10])
        >>> round(loss(torch.zeros(1, 2, 5), torch.tensor([[0, 0, 1, 1, 255]])).item(), 4)
        0.6667
    """

    def __init__(self, class_counts: Counts, per_image: bool = False) -> None:
        super().__init__(class_counts, fp_weight=1.0, fn_weight=1.0, per_image=per_image)
