"""Seesaw loss: rare classes are pushed down less by frequent ones."""

from math import log

import torch
from torch import Tensor

from lit_seg.losses.base import Counts, at_least_zero, in_range
from lit_seg.losses.pixelwise import PixelLoss
from lit_seg.ops import class_nll
from lit_seg.ops.modulation import image_pixels
from lit_seg.ops.precision import widest_float


class SeesawLoss(PixelLoss):
    r"""Cross-entropy with the logits :math:`z_j + \log S_{yj}` of the other classes.

    .. math::

        S_{ij} = M_{ij} C_{ij}, \qquad
        M_{ij} = \min\left(1, \frac{N_j}{N_i}\right)^p, \qquad
        C_{ij} = \max\left(1, \frac{\sigma_j}{\sigma_i}\right)^q

    *Mitigation* M keeps a frequent class i from pushing down a rarer class j. *Compensation* C
    pushes j down more where the model prefers it to i. :math:`N` counts the pixels seen so far on
    all ranks, this step's included; it is part of the checkpoint. C is a constant for the gradient.

    Args:
        class_counts: pixels per class; only their number is used.
        mitigation: p >= 0; 0 turns it off.
        compensation: q >= 0; 0 turns it off.
        min_confidence: lower bound of :math:`\sigma_i` in C, in [0, 1). The paper has none; the
            authors' code takes .01.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Reference: Wang et al., *Seesaw Loss for Long-Tailed Instance Segmentation*, arXiv 2008.10032,
    Eq. 3-6. In mmdetection and mmpretrain the counts are per rank and in float32, which rounds from
    16.7 million on, the pixels of a few images.

    Example:
        >>> import torch
        >>> loss = SeesawLoss(class_counts=[90, 10], compensation=0.0)
        >>> target = torch.tensor([[0, 0, 0, 0, 1]])
        >>> round(loss(torch.zeros(1, 2, 5), target).item(), 4)
        0.3667
        >>> loss.class_stats()["seen"]
        tensor([4, 1])
    """

    seen: Tensor

    def __init__(
        self,
        class_counts: Counts,
        mitigation: float = 0.8,
        compensation: float = 2.0,
        min_confidence: float = 0.0,
    ) -> None:
        super().__init__(class_counts)
        self.mitigation = at_least_zero("mitigation", mitigation)
        self.compensation = at_least_zero("compensation", compensation)
        self.min_confidence = in_range("min_confidence", min_confidence, "[0, 1)")
        self.register_buffer("seen", torch.zeros(self.num_classes, dtype=torch.long))

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        support = self.over_ranks(image_pixels(target, self.num_classes).sum(0))
        if self.training:
            self.seen += support
        sums = class_nll(self.shifted(logits, target), target, backend=self.backend).sums
        weighed = sums if self.weight is None else self.weight * sums
        return self.mean(weighed.sum().to(logits.dtype), self.norm(support))

    def shifted(self, logits: Tensor, target: Tensor) -> Tensor:
        """The logits for the softmax, which differ by the true class of a pixel."""
        label = target.masked_fill(target == self.void, 0)
        log_seen = self.seen.clamp(min=1).to(widest_float(logits.device)).log()
        # (C, C): row i for pixels of class i
        mitigation = self.mitigation * (log_seen - log_seen.view(-1, 1)).clamp(max=0)
        shift = mitigation.to(logits.dtype)[label].movedim(-1, 1)
        log_p = logits.detach().log_softmax(1)
        log_true = log_p.gather(1, label.unsqueeze(1))
        # Bounds for logits beyond 1e36, whose softmax would be NaN: log p can be -inf for several
        # classes, and their differences, times q and added to the logits, infinite.
        most = torch.finfo(logits.dtype).max
        bound = most / 64 / max(1, self.compensation)
        log_true = log_true.clamp(min=log(self.min_confidence) if self.min_confidence else -most)
        preferred = (log_p - log_true).clamp(min=0).clamp_(max=bound)
        # both shifts are 0 for the true class
        return logits + shift + self.compensation * preferred

    def class_stats(self) -> dict[str, Tensor]:
        """Pixels of each class seen so far, and its weight if it was given one."""
        return {**super().class_stats(), "seen": self.seen}
