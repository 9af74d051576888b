"""Learnable weight scaling: one learned factor per class on a frozen classifier."""

import torch
from torch import Tensor, nn


class LWSHead(nn.Module):
    r"""The logits :math:`s \odot (W f + b)` with :math:`W, b` of the first stage frozen.

    The factors begin at 1 and scale the bias too, as the published code does; the paper has no
    bias.

    Args:
        first: the linear head of the first stage.

    Reference: Kang et al., *Decoupling Representation and Classifier*, arXiv 1910.09217, section 4.
    """

    def __init__(self, first: nn.Linear) -> None:
        super().__init__()
        self.first = first.requires_grad_(False)
        self.scale = nn.Parameter(torch.ones(first.out_features))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C)`` logits of ``(N, D)`` features."""
        scaled: Tensor = self.scale * self.first(features)
        return scaled
