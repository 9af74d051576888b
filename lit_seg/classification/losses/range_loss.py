"""Range loss: the widest pairs of each class drawn together, the nearest two classes apart."""

from typing import Literal, get_args

import torch
from torch import Tensor

from lit_seg.classification.losses.feature_loss import FeatureLoss
from lit_seg.errors import check_choice
from lit_seg.losses.base import at_least_zero

Form = Literal["paper", "published"]


class RangeLoss(FeatureLoss):
    r"""Penalises the range of each class and the nearness of the two nearest classes.

    .. math::

        \alpha \sum_c \frac{k}{\sum_{j=1}^{k} 1 / D_j^c}
        + \beta \max\left(0, M - \min_{a \ne b} \lVert \mu_a - \mu_b \rVert\right)

    over the classes of the batch, with :math:`D_j^c` the j-th largest distance of two images of
    class c, and :math:`\mu` the mean features. A class with fewer than k pairs counts with those
    that it has.

    Args:
        pairs: k.
        margin: M.
        intra_weight: :math:`\alpha`.
        inter_weight: :math:`\beta`.
        form: ``paper``, or ``published``, an erratum: what OLTR's code computed. Its first term is
            the one largest distance of the whole batch, as each pair is there twice; its second
            takes :math:`2 \lVert \mu_b \rVert^2 - 2 \mu_a \mu_b`, which is 0 for a class with
            itself, so that it is the constant M and has no gradient.

    Shapes: ``(B, D)`` features and ``(B,)`` labels to a scalar >= 0.

    Raises:
        ValueError: if ``pairs`` is no whole number of at least 1, another number is negative
            or infinite, or there is no such form.

    Reference: Zhang et al., *Range Loss for Deep Face Recognition with Long-Tailed Training Data*,
    arXiv 1611.08976. The margin 5 and the weights 1 are OLTR's.
    """

    def __init__(
        self,
        pairs: int = 2,
        margin: float = 5.0,
        intra_weight: float = 1.0,
        inter_weight: float = 1.0,
        form: Form = "paper",
    ) -> None:
        super().__init__()
        check_choice("form", form, get_args(Form))
        if type(pairs) is not int or pairs < 1:
            raise ValueError(f"`pairs` must be a whole number of at least 1, got {pairs}")
        self.pairs = pairs
        self.margin = at_least_zero("margin", margin)
        self.intra_weight = at_least_zero("intra_weight", intra_weight)
        self.inter_weight = at_least_zero("inter_weight", inter_weight)
        self.form = form

    def loss(self, features: Tensor, target: Tensor) -> Tensor:
        of_class = [features[target == c] for c in target.unique()]  # type: ignore[no-untyped-call]
        distances = [torch.pdist(each) for each in of_class]
        means = torch.stack([each.mean(0) for each in of_class])
        if self.form == "published":
            intra = self._range([torch.cat(distances).repeat(2)], 2)
            products = means @ means.T
            inter = (2 * products.diagonal() - 2 * products).clamp(min=1e-12).amin()
        else:
            intra = self._range(distances, self.pairs)
            # without a second class there is nothing to push apart
            inter = torch.pdist(means).amin() if len(means) > 1 else means.sum() * 0 + self.margin
        return self.intra_weight * intra + self.inter_weight * (self.margin - inter).clamp(min=0)

    @staticmethod
    def _range(distances: list[Tensor], pairs: int) -> Tensor:
        """The sum over classes of the harmonic mean of the largest distances of each."""
        largest = [each.topk(min(pairs, len(each))).values.clamp(min=1e-6) for each in distances]
        means = [len(each) / (1 / each).sum() for each in largest if len(each)]
        return torch.stack(means).sum() if means else torch.cat(distances).sum()
