"""The base of all means over pixels: cross-entropy that is weighted, adjusted or modulated."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_seg.errors import check_choice
from lit_seg.losses.base import Counts, SegLoss
from lit_seg.metrics.class_score import ClassScore
from lit_seg.ops import class_nll
from lit_seg.ops.chunked import wide_dtype

Normalizer = Literal["valid", "weight_sum"]


class PixelLoss(SegLoss):
    r"""Base of the losses that are a mean over pixels.

    .. math:: L = \frac{1}{Z} \sum_n w_{y_n} \ell_n, \qquad \ell_n = -\log p_n

    with three methods to override: the class weights :math:`w` (:meth:`weigh`), the logits of the
    softmax (:meth:`adjust`) and the pixel loss :math:`\ell` (:meth:`total`). This class alone is
    plain cross-entropy.

    Args:
        class_counts: pixels per class.
        class_weight: ``(C,)`` fixed weights; None stands for 1.
        normalizer: ``Z``. ``"valid"`` is the number of valid pixels; ``"weight_sum"`` the sum of
            their class weights, where a factor common to all weights cancels.
    """

    class_weight: Tensor | None
    given_weight: Tensor | None

    def __init__(
        self,
        class_counts: Counts,
        class_weight: Tensor | None = None,
        normalizer: Normalizer = "valid",
    ) -> None:
        super().__init__(class_counts)
        check_choice("normalizer", normalizer, get_args(Normalizer))
        self.normalizer = normalizer
        self.register_buffer("class_weight", class_weight, persistent=False)
        self.register_buffer("given_weight", None, persistent=False)
        # a subclass that adjusts logits needs all their digits
        self.takes_any_logits = type(self).adjust is PixelLoss.adjust

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        weight, norm = self.weigh(logits, target)
        if weight is not None:
            weight = weight.to(wide_dtype(logits))
        return self.mean(self.total(self.adjust(logits, target), target, weight), norm)

    def weigh(self, logits: Tensor, target: Tensor) -> tuple[Tensor | None, Tensor]:
        """The class weights of this step, ``(C,)`` or None for 1, and ``Z`` over all ranks."""
        if self._norm_weight is None:
            return self.weight, self.over_ranks((target != self.void).sum())
        support = class_pixels(target, self.num_classes, self.void)
        return self.weight, self.norm(self.over_ranks(support))

    def norm(self, support: Tensor) -> Tensor:
        """``Z`` from the ``(C,)`` pixels of each class in this step, over all ranks."""
        weight = self._norm_weight
        return support.sum() if weight is None else (weight * support).sum()

    @property
    def _norm_weight(self) -> Tensor | None:
        # `set_class_weight` turns any mean into a weighted mean, so its weights are always in `Z`
        return self.given_weight if self.normalizer == "valid" else self.weight

    def adjust(self, logits: Tensor, target: Tensor) -> Tensor:
        """The logits for the softmax; a subclass may shift or scale them."""
        return logits

    def total(self, logits: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """The weighted sum of the pixel losses on this rank, from adjusted logits."""
        return nll_sum(logits, target, self.void, weight)

    @property
    def weight(self) -> Tensor | None:
        """``(C,)`` the current weight of each class; None if all are 1."""
        return self.given_weight if self.class_weight is None else self.on_given(self.class_weight)

    def on_given(self, weight: Tensor) -> Tensor:
        """``weight`` times the weights that :meth:`set_class_weight` was given."""
        return weight if self.given_weight is None else weight * self.given_weight

    def set_class_weight(self, weight: Tensor) -> None:
        """Weigh the mean over pixels by ``(C,)`` class weights >= 0 from now on.

        Raises:
            ValueError: if there is not one weight per class, or (on the CPU) one is negative, NaN
                or infinite.
        """
        if weight.shape != (self.num_classes,):
            raise ValueError(
                f"`weight` must hold {self.num_classes} numbers, one per class, got the shape "
                f"{tuple(weight.shape)}"
            )
        fits = (weight >= 0) & weight.isfinite()
        if weight.device.type == "cpu" and not fits.all():
            wrong = weight[~fits]
            raise ValueError(f"`weight` must be finite numbers >= 0, got {wrong.tolist()}")
        self.given_weight = weight.to(self.class_pixels.device)

    def class_stats(self) -> dict[str, Tensor]:
        """The weight of each class, if the loss has weights."""
        return {} if self.weight is None else {"weight": self.weight}


class ScoreWeightedLoss(PixelLoss):
    """Base of the losses whose class weights follow a score of hard predictions.

    A subclass sets :attr:`state` and derives weights from its scores. In training mode a step
    updates the state by the counts of all ranks, in one exchange; in eval mode the state is used
    and not changed.
    """

    state: ClassScore

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        of, ours = type(self), ScoreWeightedLoss
        same = (of.total, of.adjust, of.weigh) == (ours.total, ours.adjust, ours.weigh)
        if not (logits.is_cuda and same):
            return super().loss(logits, target)
        # one pass gives the counts and, before the weights are known, the sums that they weigh
        sums, counts, _ = class_nll(logits, target, predictions=self.state.counts.shape[0] > 2)
        weight, norm = self._weigh_by(counts)
        total = sums.sum() if weight is None else (weight * sums).sum()
        return self.mean(total.to(wide_dtype(logits)), norm)

    def weigh(self, logits: Tensor, target: Tensor) -> tuple[Tensor | None, Tensor]:
        if self.training:
            return self._weigh_by(self.state.count_logits(logits, target))
        return self.weight, self.norm(class_pixels(target, self.num_classes, self.void))

    def _weigh_by(self, counts: Tensor) -> tuple[Tensor | None, Tensor]:
        """:meth:`weigh` by this rank's counts, whose second row holds the pixels of each class."""
        if self.training:
            counts = self.state.advance(counts)
        return self.weight, self.norm(counts[1])


def nll_sum(logits: Tensor, target: Tensor, void: int, weight: Tensor | None = None) -> Tensor:
    r"""The sum over pixels of :math:`w_y (-\log p)`; no ``weight`` stands for 1."""
    if logits.is_cuda:
        # torch's own sum over images adds in any order there, and refuses to be deterministic
        sums = class_nll(logits, target).sums
        return (sums if weight is None else weight * sums).sum().to(wide_dtype(logits))
    return F.cross_entropy(logits, target, weight, ignore_index=void, reduction="sum")


def pixel_nll(logits: Tensor, target: Tensor, void: int) -> Tensor:
    r"""``(N, *)`` :math:`-\log p` of each pixel, 0 where it is void."""
    if logits.is_cuda:
        pixels = class_nll(logits, target, pixels=True).pixels
        assert pixels is not None
        return pixels
    return F.cross_entropy(logits, target, ignore_index=void, reduction="none")


def class_pixels(target: Tensor, num_classes: int, void: int) -> Tensor:
    """``(C,)`` int64 pixels of each class in ``(N, *)`` labels."""
    if target.is_cuda:
        return image_pixels(target, num_classes).sum(0)
    bins = torch.where(target == void, num_classes, target)
    return torch.bincount(bins.flatten(), minlength=num_classes + 1)[:-1]


def image_pixels(target: Tensor, num_classes: int) -> Tensor:
    """``(N, C)`` int64 pixels of each class in each image; on a GPU without the waits of counting.

    It takes a byte for each logit, while it counts.
    """
    classes = torch.arange(num_classes, device=target.device)
    return (target.view(len(target), 1, -1) == classes.view(1, -1, 1)).sum(2)


def modulated_sum(
    logits: Tensor,
    target: Tensor,
    weight: Tensor | None,
    modulate: Callable[[Tensor], Tensor],
    void: int,
) -> Tensor:
    r"""The sum over pixels of :math:`w_y m(-\log p) \cdot (-\log p)`; no ``weight`` stands for 1.

    ``modulate`` maps ``(N, *)`` :math:`-\log p`, 0 where void, to the factors :math:`m`.
    """
    nll = pixel_nll(logits, target, void)
    # beyond it, p is 0 in any dtype; at infinity the slope of the factors would be 0 * infinity
    losses = modulate(nll.clamp(max=1000)) * nll
    if weight is not None:
        losses = losses * weight[target.masked_fill(target == void, 0)]
    return losses.sum()
