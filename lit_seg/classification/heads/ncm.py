"""Nearest class mean: the class whose mean feature is nearest."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_seg.errors import check_choice

Transform = Literal["cl2n", "l2n", "un"]


class NCMHead(nn.Module):
    r"""The scores :math:`-\lVert x - c_k \rVert^2` to the mean features of the classes.

    Nothing is trained; :meth:`prepare` computes the means.

    Args:
        dim: length of the features.
        num_classes: C.
        transform: of features, in training and test alike. ``cl2n``, the published default, takes
            the mean of all training features away and divides by the length; ``l2n`` only divides,
            ``un`` does nothing. The means of the classes are not normalised again.

    Raises:
        ValueError: if the transform is none of these.

    Reference: Kang et al., arXiv 1910.09217, section 4; the transforms are those of their code.
    """

    center: Tensor
    means: Tensor

    def __init__(self, dim: int, num_classes: int, transform: Transform = "cl2n") -> None:
        super().__init__()
        check_choice("transform", transform, get_args(Transform))
        self.transform = transform
        self.register_buffer("center", torch.zeros(dim))
        self.register_buffer("means", torch.zeros(num_classes, dim))

    def forward(self, features: Tensor) -> Tensor:
        """``(N, C)`` scores of ``(N, D)`` features; -inf for a class without training images."""
        # without matrix products, whose rounding would be that of the lengths
        mode = "donot_use_mm_for_euclid_dist"
        return -torch.cdist(self._transformed(features), self.means, compute_mode=mode).square()

    @torch.no_grad()
    def prepare(self, features: Tensor, target: Tensor) -> None:
        """Compute the means of ``(N, D)`` features of all training images by ``(N,)`` labels."""
        if self.transform == "cl2n":
            self.center.copy_(features.mean(0))
        self.means.copy_(class_means(self._transformed(features), target, len(self.means)))

    def _transformed(self, features: Tensor) -> Tensor:
        if self.transform == "un":
            return features
        return F.normalize(features - self.center)


def class_means(features: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """``(C, D)`` means of the ``(N, D)`` features of each class; infinite for one without any."""
    sums = features.new_zeros(num_classes, features.shape[1], dtype=torch.float64)
    sums.index_add_(0, target, features.double())
    number = torch.bincount(target, minlength=num_classes).unsqueeze(1)
    return torch.where(number > 0, sums / number, torch.inf).to(features.dtype)
