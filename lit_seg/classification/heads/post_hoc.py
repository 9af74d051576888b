"""Post-hoc logit adjustment: a trained head whose decisions no longer follow the frequencies."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lit_seg.losses.base import at_least_zero
from lit_seg.losses.logit_adjustment import log_prior


class PostHocHead(nn.Module):
    r"""The logits :math:`W f + b - \tau \log \pi` of a trained linear head; nothing is trained.

    Args:
        first: the linear head of the first stage.
        class_counts: training images of each class, which give :math:`\pi`.
        tau: strength, at least 0; 1 in the paper.

    Raises:
        ValueError: if it is negative or infinite.

    Reference: Menon et al., *Long-tail learning via logit adjustment*, arXiv 2007.07314, section
    4.1.
    """

    shift: Tensor

    def __init__(self, first: nn.Linear, class_counts: Sequence[int], tau: float = 1.0) -> None:
        super().__init__()
        at_least_zero("tau", tau)
        self.first = first.requires_grad_(False)
        self.register_buffer("shift", (tau * log_prior(class_counts)).to(torch.float32))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C)`` adjusted logits of ``(N, D)`` features."""
        adjusted: Tensor = self.first(features) - self.shift
        return adjusted
