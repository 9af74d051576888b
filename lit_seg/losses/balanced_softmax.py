"""Balanced softmax: a softmax that knows how frequent the classes were in training."""

from lit_seg.losses.base import Counts
from lit_seg.losses.logit_adjustment import LogitAdjustmentLoss


class BalancedSoftmaxLoss(LogitAdjustmentLoss):
    r"""Cross-entropy of :math:`z + \log n`: logit adjustment with :math:`\tau = 1`.

    Args:
        class_counts: pixels per class; a class without pixels is taken as if it had one.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Raises:
        ValueError: if there are no pixels.

    Reference: Ren et al., *Balanced Meta-Softmax*, arXiv 2007.10740, Eq. 4 (without its sampler).
    The copy in github.com/KhoiDOO/ibla multiplies by the counts after the exponential and takes a
    log-softmax of that once more; the row BMS in Table 3 of the PAT paper comes from it.

    Example:
        >>> import torch
        >>> loss = BalancedSoftmaxLoss(class_counts=[90, 10])
        >>> round(loss(torch.zeros(1, 2, 2), torch.tensor([[0, 255]])).item(), 4)  # -log .9
        0.1054
    """

    def __init__(self, class_counts: Counts) -> None:
        super().__init__(class_counts, tau=1.0)
