"""A head whose logits are cosines: LDAM's pair."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CosineHead(nn.Module):
    """The cosine between the features and the weight of each class, in [-1, 1]; no bias.

    The scale that a softmax needs is part of the loss, as in ``LDAMLoss(scale=30)``.

    Args:
        dim: length of the features.
        num_classes: C.

    Reference: Cao et al., arXiv 1906.07413; their code has it with LDAM only. Its weights start as
    unit vectors.
    """

    def __init__(self, dim: int, num_classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(F.normalize(torch.empty(num_classes, dim).uniform_(-1, 1)))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C)`` cosines of ``(N, D)`` features."""
        return F.normalize(features) @ F.normalize(self.weight).T
