"""OLTR's head: features enriched by a memory of the classes, and a cosine classifier."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

REACH = 10.0
"""By which the distance to the nearest centroid is divided."""
SCALE = 16.0
"""What the cosines are multiplied by."""


class MetaEmbedding(nn.Module):
    r"""Scores of features :math:`f` with the centroids :math:`c_k` of the classes.

    .. math::

        m = \sum_k \mathrm{softmax}(W_h f + b_h)_k\, c_k, \qquad
        v = \frac{10}{\min_k \lVert f - c_k \rVert} (f + \tanh(W_s f + b_s) \odot m), \qquad
        z_k = 16\, \frac{v \cdot w_k}{(1 + \lVert v \rVert) \lVert w_k \rVert}

    The distances take ``N * C`` numbers; the published code, ``N * C * D``.

    Args:
        first: the linear head of the first stage, from which :math:`W_h, b_h` start.

    Reference: Liu et al., *Large-Scale Long-Tailed Recognition in an Open World*, arXiv 1904.05160,
    section 3; the constants are those of their code.
    """

    def __init__(self, first: nn.Linear) -> None:
        super().__init__()
        num_classes, dim = first.weight.shape
        self.hallucinator = nn.Linear(dim, num_classes)
        self.hallucinator.load_state_dict(first.state_dict())
        self.selector = nn.Linear(dim, dim)
        bound = 1 / math.sqrt(dim)
        self.weight = nn.Parameter(torch.empty(num_classes, dim).uniform_(-bound, bound))

    def forward(self, features: Tensor, centroids: Tensor) -> Tensor:
        """``(N, C)`` scores of ``(N, D)`` features with ``(C, D)`` centroids."""
        memory = self.hallucinator(features).softmax(1) @ centroids
        # only the nearest has a gradient; ONNX has no `cdist`, and an export no `no_grad`
        fixed = centroids.detach()
        nearest = (fixed.square().sum(1) - 2 * features.detach() @ fixed.T).argmin(1)
        # the centroid of a class with one image is its feature
        distance = (features - centroids[nearest]).norm(dim=1, keepdim=True).clamp(min=1e-6)
        v = REACH / distance * (features + self.selector(features).tanh() * memory)
        squashed = SCALE * v / (1 + v.norm(dim=1, keepdim=True))
        scores: Tensor = squashed @ F.normalize(self.weight).T
        return scores
