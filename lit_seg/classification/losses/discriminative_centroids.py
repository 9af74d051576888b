"""OLTR's loss over features: near the centroid of their class, far from the others on average."""

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lit_seg.classification.losses.feature_loss import FeatureLoss
from lit_seg.errors import check_choice

Gradient = Literal["published", "exact"]
MARGIN = 10.0
REPELLED = 0.01


class DiscriminativeCentroidsLoss(FeatureLoss):
    r"""Draws features to learned centroids of their classes.

    .. math::

        \frac{1}{2B} \sum_i \lVert f_i - c_{y_i} \rVert^2 + 0.01 \max\left(0,\;
        10 - \frac{1}{BC} \sum_i \sum_{j \ne y_i} \lVert f_i - c_j \rVert^2\right)

    The maximum is of the mean over all pairs, not of each pair. OLTR adds .01 of the whole to
    cross-entropy.

    Args:
        centroids: ``(C, D)`` to start from: the class means of the training features.
        gradient: of the first term for the centroids. ``published``: in OLTR's code it is
            :math:`\frac{1}{B} \sum_{i \in k} (c_k - f_i) / (1 + n_k)`, with :math:`n_k` the images
            of class k in the batch, and ignores the factor that the loss is multiplied by: with .01
            it is a hundred times too large. ``exact`` is the derivative.

    Shapes: ``(B, D)`` features and ``(B,)`` labels to a scalar.

    Raises:
        ValueError: if there is no such gradient.

    Reference: Liu et al., arXiv 1904.05160, section 3, and ``DiscCentroidsLoss`` of their code.
    """

    def __init__(self, centroids: Tensor, gradient: Gradient = "published") -> None:
        super().__init__()
        check_choice("gradient", gradient, get_args(Gradient))
        self.centroids = nn.Parameter(centroids.clone())
        self.gradient = gradient

    def loss(self, features: Tensor, target: Tensor) -> Tensor:
        size, centroids = len(features), self.centroids
        if self.gradient == "published":
            near = _PublishedGradient.apply(features, target, centroids)  # type: ignore[no-untyped-call]
        else:
            near = _half_mean_square(features, target, centroids)
        # all squares but those of the own class, without a (B, C, D) tensor
        squares = features.square().sum(1, keepdim=True) + centroids.square().sum(1)
        squares = squares - 2 * features @ centroids.T
        own = target.unsqueeze(1) == torch.arange(len(centroids), device=target.device)
        far = squares.masked_fill(own, 0).sum() / (size * len(centroids))
        loss: Tensor = near + REPELLED * (MARGIN - far).clamp(min=0)
        return loss


def _half_mean_square(features: Tensor, target: Tensor, centroids: Tensor) -> Tensor:
    return (features - centroids[target]).square().sum() / (2 * len(features))


class _PublishedGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, target: Tensor, centroids: Tensor) -> Tensor:
        ctx.save_for_backward(features, target, centroids)
        return _half_mean_square(features, target, centroids)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: Tensor) -> tuple[Tensor, None, Tensor]:
        features, target, centroids = ctx.saved_tensors
        difference = (features - centroids[target]) / len(features)
        number = 1 + torch.bincount(target, minlength=len(centroids)).unsqueeze(1)
        pulled = torch.zeros_like(centroids).index_add_(0, target, -difference)
        return factor * difference, None, pulled / number
