"""Pixel-wise adaptive training: pixels are weighted by confidence, all masks equally."""

from math import log
from typing import Literal

from torch import Tensor

from lit_seg.errors import check_choice
from lit_seg.losses.base import Counts, in_range
from lit_seg.losses.pixelwise import Found, PixelLoss
from lit_seg.ops import Modulation
from lit_seg.ops.precision import widest_float


class PATLoss(PixelLoss):
    r"""Cross-entropy whose pixels are weighted by confidence and divided by the size of their mask.

    .. math::

        L = -\frac{1}{B} \sum_i \sum_j \frac{\beta_{ij}}{S_i^{y_{ij}}} \log p_{ij}, \qquad
        \beta = \exp\left(\frac{1 - p - \epsilon}{T}\right)

    with :math:`p_{ij}` the probability of the true class of pixel j in image i, and :math:`S_i^l`
    the pixels of class l in image i: each class that an image shows weighs the same, however small.
    :math:`B` counts the images that hold a valid pixel, while training of all ranks.

    Args:
        class_counts: pixels per class; only their number is used.
        temperature: T, at least .02; towards infinity all pixels of a mask weigh the same.
        epsilon: in [0, 1]. The paper gives none, and its Table 1 needs 0.
        weight_form: ``"paper"`` is Eq. 5. ``"reciprocal"`` is :math:`1 / \beta`, of which the
            paper's Table 1 prints the values: it lowers the weight where confidence is low,
            against the text. ``"inap"`` and ``"ina"`` are :math:`e^{1-p} / 2` and
            :math:`e^{(1-p)C} / 2` of the authors' code.
        divide_by: ``"mask"`` is Eq. 4. ``"pixels"`` takes the mean over valid pixels, without mask
            sizes, and ``"logits"`` divides that by C as well, as the authors' code does.
        detach: whether the weight is a constant for the gradient. The paper does not say; in the
            authors' code, as in focal loss, it is not.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Reference: Do et al., *PAT: Pixel-wise Adaptive Training for Long-tailed Segmentation*,
    arXiv 2404.05393, Eq. 4-5.
    The authors' code (github.com/KhoiDOO/ibla) has no mask sizes and no :math:`\epsilon`, and
    divides the logits by T in place of the exponent: ``PATLoss(counts, weight_form="inap",
    divide_by="logits")`` is its value at temperature 1.

    Example:
        >>> import torch
        >>> loss = PATLoss(class_counts=[90, 10])
        >>> round(loss(torch.zeros(1, 2, 4), torch.tensor([[0, 0, 1, 255]])).item(), 4)
        1.4214
    """

    def __init__(
        self,
        class_counts: Counts,
        temperature: float = 20.0,
        epsilon: float = 0.0,
        weight_form: Literal["paper", "reciprocal", "inap", "ina"] = "paper",
        divide_by: Literal["mask", "pixels", "logits"] = "mask",
        detach: bool = False,
    ) -> None:
        super().__init__(class_counts)
        self.temperature = in_range("temperature", temperature, "[0.02, inf]")  # exp(50) is finite
        self.epsilon = in_range("epsilon", epsilon, "[0, 1]")
        check_choice("weight_form", weight_form, ("paper", "reciprocal", "inap", "ina"))
        if weight_form in ("inap", "ina") and (temperature, epsilon) != (20, 0):
            raise ValueError(
                f"`weight_form` {weight_form!r} has no `temperature` and no `epsilon`, got "
                f"{temperature} and {epsilon}"
            )
        if weight_form == "ina" and self.num_classes > 60:  # e^60 times the pixels of a batch
            raise ValueError(
                f"`weight_form` 'ina' overflows beyond 60 classes, got {self.num_classes}"
            )
        check_choice("divide_by", divide_by, ("mask", "pixels", "logits"))
        check_choice("detach", detach, (False, True))
        self.weight_form = weight_form
        self.divide_by = divide_by
        self.detach = detach

    @property
    def modulation(self) -> Modulation:
        rate, offset = 1 / self.temperature, -self.epsilon / self.temperature
        if self.weight_form == "reciprocal":
            rate, offset = -rate, -offset
        elif self.weight_form != "paper":
            rate, offset = 1 if self.weight_form == "inap" else self.num_classes, -log(2)
        by_image = self.divide_by == "mask"
        return Modulation(0, rate, offset, constant=self.detach, by_image=by_image)

    def weigh(self, found: Found) -> tuple[Tensor | None, Tensor]:
        if self.divide_by != "mask":
            values = self.num_classes if self.divide_by == "logits" else 1
            return self.weight, self.over_ranks(found.support.sum() * values)
        sizes = found.support
        shares = 1 / sizes.clamp(min=1).to(widest_float(sizes.device))
        weight = shares if self.weight is None else shares * self.weight
        return weight, self.over_ranks(sizes.any(1).sum())

    def factors(self, nll: Tensor) -> Tensor:
        r"""The weights of pixels with this :math:`-\log p`, before the division by their mask."""
        return self.modulation.factors(nll)
