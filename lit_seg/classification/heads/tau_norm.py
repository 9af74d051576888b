"""Tau-normalisation: weights of a classifier made more equal in length, chosen on validation."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_seg.losses.base import at_least_zero
from lit_seg.metrics.class_recall import recall_counts
from lit_seg.metrics.collectives import sum_over_ranks

TAUS = tuple(step / 10 for step in range(21))
"""The strengths among which :meth:`TauNormHead.choose` chooses: 0 to 2, as published."""


class TauNormHead(nn.Module):
    r"""The logits :math:`f \cdot w_c / \lVert w_c \rVert^\tau` of a trained linear head.

    The bias is not used. So :math:`\tau = 0` is not the head itself, if it has a bias. Nothing here
    is trained.

    Args:
        first: the linear head of the first stage.
        tau: strength, at least 0; 1 makes all weights equally long. None is 1 until
            :meth:`choose` was called.

    Raises:
        ValueError: if it is negative or infinite.

    Reference: Kang et al., arXiv 1910.09217, section 4. Their code prints a table, from which
    a person reads the strength.
    """

    weight: Tensor
    tau: Tensor

    def __init__(self, first: nn.Linear, tau: float | None = None) -> None:
        super().__init__()
        self.is_chosen = tau is None
        """Whether :meth:`choose` is to choose the strength."""
        tau = at_least_zero("tau", 1.0 if tau is None else tau)
        self.register_buffer("weight", first.weight.detach().clone())
        self.register_buffer("tau", torch.tensor(float(tau)))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C)`` logits of ``(N, D)`` features."""
        lengths = self.weight.norm(dim=1, keepdim=True).clamp(min=1e-12)  # weights of 0 score 0
        return F.linear(features, self.weight / lengths**self.tau)

    @torch.no_grad()
    def choose(self, batches: Iterable[tuple[Tensor, Tensor]]) -> dict[float, float]:
        """Take the strength with the highest mean accuracy of classes; the lowest of equal ones.

        Args:
            batches: ``(B, D)`` features and ``(B,)`` labels of this rank's validation images, never
                of those that are reported.

        Returns:
            The mean accuracy, in [0, 1], for each of ``TAUS``, over the classes that are labelled
            on any rank.
        """
        classes = len(self.weight)
        counts = torch.zeros(len(TAUS), 2, classes, dtype=torch.long, device=self.weight.device)
        for features, target in batches:
            for number, tau in enumerate(TAUS):
                self.tau.fill_(tau)
                counts[number] += recall_counts(self(features).argmax(1), target, classes)
        hits, images = sum_over_ranks(counts).double().unbind(1)
        table = dict(zip(TAUS, (hits / images).nanmean(1).tolist(), strict=True))
        self.tau.fill_(max(table, key=lambda tau: table[tau]))
        return table
