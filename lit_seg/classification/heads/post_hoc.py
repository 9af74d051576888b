"""Post-hoc logit adjustment: the prior of the classes taken out of a trained head."""

import torch
from torch import Tensor, nn

from lit_seg.losses.base import Counts, at_least_zero
from lit_seg.losses.logit_adjustment import log_prior


class PostHocHead(nn.Module):
    r"""The logits :math:`z - \tau \log \pi` of a head that was trained with cross-entropy.

    Args:
        first: the head of the first stage. It is frozen.
        class_counts: training images per class.
        tau: strength, at least 0; 1 is the balance that the theory gives.

    Raises:
        ValueError: if it is negative or infinite.

    Reference: Menon et al., arXiv 2007.07314, section 4.1.
    """

    log_prior: Tensor
    tau: Tensor

    def __init__(self, first: nn.Module, class_counts: Counts, tau: float = 1.0) -> None:
        super().__init__()
        at_least_zero("tau", tau)
        self.first = first.requires_grad_(False)
        self.register_buffer("log_prior", log_prior(class_counts).float())
        self.register_buffer("tau", torch.tensor(float(tau)))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C)`` logits of ``(N, D)`` features."""
        adjusted: Tensor = self.first(features) - self.tau * self.log_prior
        return adjusted
