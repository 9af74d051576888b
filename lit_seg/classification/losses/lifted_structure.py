"""Lifted structure loss: pairs of a class nearer than all that is not of it."""

import torch
from torch import Tensor

from lit_seg.classification.losses.feature_loss import FeatureLoss
from lit_seg.losses.base import at_least_zero

NO_OTHER = -1e30
"""The logarithm of an empty sum, still finite, so that its gradient is 0 and not NaN."""


class LiftedStructureLoss(FeatureLoss):
    r"""A smooth hinge between each pair of a class and all images of other classes.

    .. math::

        \frac{1}{2 |P|} \sum_{(i, j) \in P} \max\left(0, \log\left(
        \sum_{y_k \ne y_i} e^{m - D_{ik}} + \sum_{y_l \ne y_j} e^{m - D_{jl}}\right)
        + D_{ij}\right)^2

    over the pairs P of images of one class in the batch, with :math:`D` the distance of features
    that are not normalised. A batch without such a pair gives 0: take a sampling with several
    images of a class, such as ``ClassCycles``.

    Args:
        margin: m, at least 0; 5 in OLTR's comparison.

    Shapes: ``(B, D)`` features and ``(B,)`` labels to a scalar >= 0.

    Raises:
        ValueError: if it is negative or infinite.

    Reference: Oh Song et al., arXiv 1511.06452, Eq. 4, as OLTR had it for its tables. It is
    ``LiftedStructureLoss(neg_margin=5)`` of pytorch-metric-learning with
    ``LpDistance(normalize_embeddings=False)``; by default it normalises there, with margin 1.
    """

    def __init__(self, margin: float = 5.0) -> None:
        super().__init__()
        self.margin = at_least_zero("margin", margin)

    def loss(self, features: Tensor, target: Tensor) -> Tensor:
        # without matrix products, in which small distances of long features lose their digits
        mode = "donot_use_mm_for_euclid_dist"
        distance = torch.cdist(features, features, compute_mode=mode)
        same = target.unsqueeze(1) == target
        others = (self.margin - distance).masked_fill(same, NO_OTHER).logsumexp(1)
        i, j = same.triu(1).nonzero(as_tuple=True)
        hinge = (torch.logaddexp(others[i], others[j]) + distance[i, j]).clamp(min=0)
        return hinge.square().sum() / (2 * max(1, len(i)))
