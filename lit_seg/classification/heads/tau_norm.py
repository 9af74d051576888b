"""Tau-normalisation: weights of a classifier made more equal in length, chosen on validation."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_seg.losses.base import at_least_zero
from lit_seg.metrics.class_recall import recall_counts

TAUS = tuple(step / 10 for step in range(21))
"""The strengths among which :meth:`TauNormHead.choose` chooses: 0 to 2, as published."""


class TauNormHead(nn.Module):
    r"""The logits :math:`f \cdot w_c / \lVert w_c \rVert^\tau` of a trained linear head.

    The bias is not used. So :math:`\tau = 0` is not the head itself, if it has a bias. Nothing here
    is trained.

    Args:
        first: the linear head of the first stage.
        tau: strength, at least 0; 1 makes all weights equally long.

    Raises:
        ValueError: if it is negative or infinite.

    Reference: Kang et al., arXiv 1910.09217, section 4. Their code prints a table, from which
    a person reads the strength.
    """

    weight: Tensor
    tau: Tensor

    def __init__(self, first: nn.Linear, tau: float = 1.0) -> None:
        super().__init__()
        at_least_zero("tau", tau)
        self.register_buffer("weight", first.weight.detach().clone())
        self.register_buffer("tau", torch.tensor(float(tau)))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C)`` logits of ``(N, D)`` features."""
        lengths = self.weight.norm(dim=1, keepdim=True).clamp(min=1e-12)  # weights of 0 score 0
        return F.linear(features, self.weight / lengths**self.tau)

    @torch.no_grad()
    def choose(self, features: Tensor, target: Tensor) -> dict[float, float]:
        """Take the strength with the highest mean accuracy of classes; the lowest of equal ones.

        Args:
            features: ``(N, D)`` of the validation images, never of those that are reported.
            target: their ``(N,)`` labels.

        Returns:
            The mean accuracy, in [0, 1], for each of ``TAUS``, over the classes that are labelled.
        """
        table = {}
        for tau in TAUS:
            self.tau.fill_(tau)
            predicted = self(features).argmax(1)
            hits, images = recall_counts(predicted, target, len(self.weight)).double()
            table[tau] = (hits / images).nanmean().item()
        self.tau.fill_(max(table, key=lambda tau: table[tau]))
        return table
