"""Nearest class mean: the class whose mean feature is nearest."""

from collections.abc import Callable, Iterable
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_seg.errors import check_choice
from lit_seg.metrics.collectives import sum_over_ranks
from lit_seg.ops.precision import widest_float

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
        known = self.means.isfinite().all(1)
        # products of float32 would be rounded as the lengths are; ONNX has no `cdist`
        wide = widest_float(features.device)
        means = self.means.where(known.unsqueeze(1), 0).to(wide)
        x = self._transformed(features).to(wide)
        squares = x.square().sum(1, keepdim=True) - 2 * x @ means.T + means.square().sum(1)
        # the mean of an unknown class is infinite; a file of torch.export holds no such constant
        return torch.where(known, -squares, -self.means[:, 0].to(wide)).to(features.dtype)

    @torch.no_grad()
    def prepare(self, train: Callable[[], Iterable[tuple[Tensor, Tensor]]]) -> None:
        """Compute the means, in two passes over the training images of all ranks for ``cl2n``.

        Args:
            train: begins a pass over this rank's images: ``(B, D)`` features and ``(B,)`` labels of
                each batch.
        """
        if self.transform == "cl2n":
            sums, number = class_sums(train(), self.means)
            self.center.copy_(sums.sum(0) / number.sum())
        transformed = ((self._transformed(features), target) for features, target in train())
        self.means.copy_(class_means(transformed, self.means))

    def _transformed(self, features: Tensor) -> Tensor:
        if self.transform == "un":
            return features
        return F.normalize(features - self.center)


def class_means(batches: Iterable[tuple[Tensor, Tensor]], like: Tensor) -> Tensor:
    """``(C, D)`` mean features of the classes over all ranks; infinite for one without images.

    Args:
        batches: ``(B, D)`` features and ``(B,)`` labels of this rank.
        like: a tensor as the result should be.
    """
    sums, number = class_sums(batches, like)
    return torch.where(number > 0, sums / number, torch.inf).to(like.dtype)


def class_sums(batches: Iterable[tuple[Tensor, Tensor]], like: Tensor) -> tuple[Tensor, Tensor]:
    """``(C, D)`` sums of features and ``(C, 1)`` numbers of images over all ranks, in float64.

    No feature leaves its rank: there are gigabytes of them, and float64 adds them as exactly.
    """
    classes, dim = like.shape
    sums = like.new_zeros(classes, dim + 1, dtype=widest_float(like.device))
    for features, target in batches:
        sums.index_add_(0, target, F.pad(features.to(sums.dtype), (0, 1), value=1))
    sums = sum_over_ranks(sums)
    return sums[:, :-1], sums[:, -1:]
