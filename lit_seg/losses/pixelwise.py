"""The base of all means over pixels: cross-entropy that is weighted, adjusted or modulated."""

from collections.abc import Sequence
from typing import ClassVar, Literal, get_args

from torch import Tensor

from lit_seg.errors import check_choice
from lit_seg.losses.base import Counts, SegLoss
from lit_seg.losses.checked_parts import (
    check_class_weight,
    check_modulation,
    check_scale,
    check_weighed,
)
from lit_seg.losses.record import Seen, recording
from lit_seg.metrics.class_score import ClassScore
from lit_seg.ops import ClassNLL, ModulatedPixels, Modulation, class_nll, modulates
from lit_seg.ops.adjustment import adjusted
from lit_seg.ops.precision import wide_dtype

Normalizer = Literal["valid", "weight_sum"]
Found = ClassNLL | ModulatedPixels
"""What a pass over the logits gives: ``counts`` of each class, and the ``total`` with weights."""


class PixelLoss(SegLoss):
    r"""Base of the losses that are a mean over pixels.

    .. math:: L = \frac{1}{Z} \sum_n w_{y_n} \ell_n, \qquad \ell_n = -\log p_n

    with parts to override: a :attr:`shift` and a margin of the logits of the softmax, the class
    weights :math:`w` (:meth:`weigh`) and a factor of the pixel losses :math:`\ell`
    (:attr:`modulation`). This class alone is plain cross-entropy. All comes from one pass over the
    logits, ``class_nll``.

    Args:
        class_counts: pixels per class.
        class_weight: ``(C,)`` fixed weights; None stands for 1.
        normalizer: ``Z``. ``"valid"`` is the number of valid pixels; ``"weight_sum"`` the sum of
            their class weights, where a factor common to all weights cancels.

    Raises:
        ValueError: if a part does not fit; of a step types and shapes are checked.
    """

    as_they_are = True
    needs_pixels: ClassVar[bool] = False
    """Whether :meth:`loss` takes the -log p of each pixel, and not only sums of each class."""
    class_weight: Tensor | None
    given_weight: Tensor | None

    def __init__(
        self,
        class_counts: Counts,
        class_weight: Tensor | Sequence[float] | None = None,
        normalizer: Normalizer = "valid",
    ) -> None:
        super().__init__(class_counts)
        check_choice("normalizer", normalizer, get_args(Normalizer))
        self.normalizer = normalizer
        if class_weight is not None:
            class_weight = check_class_weight("class_weight", class_weight, self.num_classes)
        self.register_buffer("class_weight", class_weight, persistent=False)
        self.register_buffer("given_weight", None, persistent=False)
        self.scale = 1.0
        """What the logits of the softmax are multiplied by."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for gone in ("total", "adjust"):
            if gone in vars(cls):
                raise TypeError(
                    f"{cls.__name__}.{gone} is no part of PixelLoss: give `scale` and `shift` of "
                    "the logits, a `modulation` of the -log p, or derive from SegLoss"
                )
        if "loss" in vars(cls):  # which may know nothing of small logits
            cls.as_they_are = "as_they_are" in vars(cls) and cls.as_they_are

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of checked inputs, whose logits are as they are.

        A subclass that overrides it gets logits of the labels' size, unless it sets
        :attr:`as_they_are` itself.
        """
        modulation = self.modulation
        check_modulation(modulation)
        found: Found = (one := self.nll_of(logits, target, modulation))
        if modulation is not None and one.pixels is not None:
            found = ModulatedPixels(modulation.losses(one.pixels), target, one.counts)
        shapes: list[tuple[int, ...]] = [(self.num_classes,)]
        if modulation is not None and modulation.by_image:
            shapes.append((len(target), self.num_classes))
        weight, norm = check_weighed(self.weigh(found), *shapes)
        return self.mean(found.total(weight).to(wide_dtype(logits)), norm)

    @property
    def shift(self) -> Tensor | None:
        """``(C,)`` what is added to the scaled logits for the softmax; None stands for 0."""
        return None

    def own_margin(self) -> Tensor | None:
        """``(C,)`` what is taken from the adjusted logit of the true class; None stands for 0."""
        return None

    @property
    def modulation(self) -> Modulation | None:
        """What the -log p of each pixel is multiplied by; None stands for 1."""
        return None

    def weigh(self, found: Found) -> tuple[Tensor | None, Tensor]:
        """The class weights of this step and ``Z`` over all ranks.

        The weights are ``(C,)``, with a modulation by image also ``(N, C)``, or None for 1. The
        argument is of this rank.
        """
        return self.weight, self.norm(self.over_ranks(found.counts[1]))

    def norm(self, support: Tensor) -> Tensor:
        """``Z`` from the ``(C,)`` pixels of each class in this step, over all ranks."""
        # `set_class_weight` turns any mean into a weighted mean, so its weights are always in `Z`
        weight = self.given_weight if self.normalizer == "valid" else self.weight
        return support.sum() if weight is None else (weight * support).sum()

    def nll_of(
        self, logits: Tensor, target: Tensor, modulation: Modulation | None = None
    ) -> ClassNLL:
        """What ``class_nll`` finds of the adjusted logits.

        Where the pass takes no modulation, it is the -log p of each pixel in place of it.
        """
        seen = recording()
        check_scale(self.scale)
        scale, shift, margin = self.scale, self.shift, self.own_margin()
        if getattr(shift, "requires_grad", False):  # the pass has no gradient for it
            logits, scale, shift = adjusted(logits, scale, shift), 1.0, None
        if getattr(margin, "requires_grad", False):
            raise ValueError("`own_margin` must be constant, the pass has no gradient for it")
        predictions, pixels = self.needs_predictions, self.needs_pixels
        if seen is not None:
            predictions = pixels = True
        if modulation is not None:
            pixels |= not modulates(logits, target, self.backend, modulation.by_image)
        options = self.align_corners, self.backend
        found = class_nll(
            *(logits, target, margin, predictions, pixels, *options),
            modulation=None if pixels else modulation,
            scale=scale,
            shift=shift,
        )
        if seen is not None:
            plain = found
            if scale != 1 or shift is not None or margin is not None:
                plain = class_nll(logits.detach(), target, None, True, True, *options)
            seen.append(Seen(plain, found, target, self.scale))
        return found

    @property
    def needs_predictions(self) -> bool:
        """Whether :meth:`weigh` takes the pixels predicted as each class, too."""
        return False

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
        fits = check_class_weight("weight", weight, self.num_classes)
        self.given_weight = fits.to(self.class_pixels.device)

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

    @property
    def needs_predictions(self) -> bool:
        return len(self.state.counts) > 2

    def weigh(self, found: Found) -> tuple[Tensor | None, Tensor]:
        counts = found.counts
        if self.training:
            counts = self.state.advance(counts[: len(self.state.counts)])
        return self.weight, self.norm(counts[1])
