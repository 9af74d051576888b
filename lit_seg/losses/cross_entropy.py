"""Plain cross-entropy, the baseline that every other loss is compared with."""

import torch.nn.functional as F
from torch import Tensor

from lit_seg.losses.base import VOID, SegLoss
from lit_seg.metrics.sync import sum_over_ranks, world_size


class CrossEntropyLoss(SegLoss):
    r"""The mean of :math:`-\log p_y` over valid pixels.

    While training on several ranks the mean is over the pixels of all of them: each rank returns
    its sum times the number of ranks over the common pixel count, so that the average that DDP
    takes is exact also when ranks hold different amounts of void.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Reference: Eq. 1 of arXiv 2106.14917 (there a sum).

    Example:
        >>> import torch
        >>> loss = CrossEntropyLoss(class_counts=[90, 10])
        >>> round(loss(torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, VOID]])).item(), 4)
        0.6931
    """

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        total = F.cross_entropy(logits, target, ignore_index=VOID, reduction="sum")
        pixels = (target != VOID).sum()
        if self.training:
            pixels = sum_over_ranks(pixels)
            total = total * world_size()
        return total / pixels.clamp(min=1)
