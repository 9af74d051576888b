"""Focal loss as the code of LDAM-DRW weighs its classes: inside the probability."""

from torch import Tensor

from lit_seg.losses.base import Counts, at_least_zero
from lit_seg.losses.pixelwise import PixelLoss
from lit_seg.ops import Modulation
from lit_seg.ops.precision import wide_dtype


class WeightInsideFocalLoss(PixelLoss):
    r"""The mean of :math:`(1 - p_y^{w_y})^\gamma \cdot w_y (-\log p_y)` over images.

    With the class weights of :meth:`set_class_weight`, which ``DeferredReweightingLoss`` sets. It
    divides by the number of images, not by their weights. Without weights it is ``FocalLoss``.

    Args:
        class_counts: training images per class; only their number is used.
        gamma: at least 0.

    Shapes: ``(N, C)`` logits and ``(N,)`` labels to a scalar.

    Reference: ``FocalLoss`` of the code of Cao et al., arXiv 1906.07413, which takes the
    probability from the weighted cross-entropy. So the Focal-DRW of their tables is
    ``DeferredReweightingLoss`` of this, and not of ``FocalLoss``.

    Example:
        >>> import torch
        >>> loss = WeightInsideFocalLoss(class_counts=[90, 10])
        >>> loss.set_class_weight(torch.tensor([1.0, 2.0]))
        >>> round(loss(torch.zeros(1, 2), torch.tensor([1])).item(), 4)  # 3/4 · 2 log 2
        1.0397
    """

    needs_pixels = True

    def __init__(self, class_counts: Counts, gamma: float = 1.0) -> None:
        super().__init__(class_counts)
        self.gamma = at_least_zero("gamma", gamma)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        found = self.nll_of(logits, target)
        nll, weight = found.pixels, self.weight
        assert nll is not None
        if weight is not None:
            nll = nll * weight[target.masked_fill(target == self.void, 0)]
        total = Modulation(power=self.gamma).losses(nll).sum()
        return self.mean(total.to(wide_dtype(logits)), self.over_ranks(found.counts[1]).sum())
