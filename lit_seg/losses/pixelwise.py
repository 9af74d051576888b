"""The base of all means over pixels: cross-entropy that is weighted, adjusted or modulated."""

from collections.abc import Callable
from typing import ClassVar, Literal, get_args

from torch import Tensor

from lit_seg.errors import check_choice
from lit_seg.losses.base import Counts, SegLoss
from lit_seg.losses.record import Seen, recording
from lit_seg.metrics.class_score import ClassScore
from lit_seg.ops import ClassNLL, class_nll
from lit_seg.ops.chunked import flat_pixels
from lit_seg.ops.precision import wide_dtype

Normalizer = Literal["valid", "weight_sum"]


class PixelLoss(SegLoss):
    r"""Base of the losses that are a mean over pixels.

    .. math:: L = \frac{1}{Z} \sum_n w_{y_n} \ell_n, \qquad \ell_n = -\log p_n

    with three methods to override: the logits of the softmax (:meth:`adjust`), the class weights
    :math:`w` (:meth:`weigh`) and the sum of the pixel losses :math:`\ell` (:meth:`total`). This
    class alone is plain cross-entropy. All comes from one pass over the logits, ``class_nll``.

    Args:
        class_counts: pixels per class.
        class_weight: ``(C,)`` fixed weights; None stands for 1.
        normalizer: ``Z``. ``"valid"`` is the number of valid pixels; ``"weight_sum"`` the sum of
            their class weights, where a factor common to all weights cancels.
    """

    needs_pixels: ClassVar[bool] = False
    """Whether :meth:`total` takes the -log p of each pixel, and not only sums of each class."""
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
        self.scale = 1.0
        """What the logits of the softmax are multiplied by."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "loss" in vars(cls) and "of_any_size" not in vars(cls):
            cls.of_any_size = SegLoss.of_any_size  # type: ignore[method-assign]

    def of_any_size(self, logits: Tensor, target: Tensor) -> Tensor:
        return self.loss(logits, target)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss of checked inputs, as :meth:`of_any_size` says.

        A subclass that overrides it gets what all losses get: logits of the labels' size.
        """
        found = self.nll_of(logits, target)
        weight, norm = self.weigh(found.counts, target)
        return self.mean(self.total(found, target, weight).to(wide_dtype(logits)), norm)

    def adjust(self, logits: Tensor) -> Tensor:
        """The logits for the softmax; what is added may differ by class, but not by pixel."""
        return logits

    def own_margin(self) -> Tensor | None:
        """``(C,)`` what is taken from the adjusted logit of the true class; None stands for 0."""
        return None

    def weigh(self, counts: Tensor, target: Tensor) -> tuple[Tensor | None, Tensor]:
        """The class weights of this step, ``(C,)`` or None for 1, and ``Z`` over all ranks.

        Args:
            counts: of this rank, as ``class_nll`` gives them.
            target: ``(N, *)`` labels.
        """
        return self.weight, self.norm(self.over_ranks(counts[1]))

    def norm(self, support: Tensor) -> Tensor:
        """``Z`` from the ``(C,)`` pixels of each class in this step, over all ranks."""
        # `set_class_weight` turns any mean into a weighted mean, so its weights are always in `Z`
        weight = self.given_weight if self.normalizer == "valid" else self.weight
        return support.sum() if weight is None else (weight * support).sum()

    def total(self, found: ClassNLL, target: Tensor, weight: Tensor | None) -> Tensor:
        """The weighted sum of the pixel losses on this rank, from -log p of adjusted logits."""
        return found.sums.sum() if weight is None else (weight * found.sums).sum()

    def nll_of(self, logits: Tensor, target: Tensor) -> ClassNLL:
        """Sums, counts and, where they are needed, -log p of pixels, of the adjusted logits."""
        seen = recording()
        adjusted, margin = self.adjust(logits), self.own_margin()
        predictions, pixels = self.needs_predictions, self.needs_pixels
        if seen is not None:
            predictions = pixels = True
        options = self.align_corners, self.backend
        found = class_nll(adjusted, target, margin, predictions, pixels, *options)
        if seen is not None:
            plain = found
            if adjusted is not logits or margin is not None:
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

    @property
    def needs_predictions(self) -> bool:
        return len(self.state.counts) > 2

    def weigh(self, counts: Tensor, target: Tensor) -> tuple[Tensor | None, Tensor]:
        if self.training:
            counts = self.state.advance(counts[: len(self.state.counts)])
        return self.weight, self.norm(counts[1])


def image_pixels(target: Tensor, num_classes: int) -> Tensor:
    """``(N, C)`` int64 pixels of each class in each image; no GPU waits for it."""
    return counts_of_images(class_bins(target, num_classes), num_classes)[:, :-1]


def counts_of_images(bins: Tensor, num_classes: int) -> Tensor:
    """``(N, C + 1)`` int64 pixels of each class, the last one void, from :func:`class_bins`."""
    ones = bins.new_ones(()).expand(bins.shape)
    return bins.new_zeros(len(bins), num_classes + 1).scatter_add_(1, bins, ones)


def class_bins(target: Tensor, num_classes: int) -> Tensor:
    """``(N, P)`` the class of each pixel, C for void."""
    valid = (target >= 0) & (target < num_classes)
    return flat_pixels(target.where(valid, num_classes))


def modulated_sum(
    found: ClassNLL,
    target: Tensor,
    weight: Tensor | None,
    modulate: Callable[[Tensor], Tensor],
) -> Tensor:
    r"""The sum over pixels of :math:`w_y m(-\log p) \cdot (-\log p)`; no ``weight`` stands for 1.

    ``modulate`` maps ``(N, *)`` :math:`-\log p`, 0 where void, to the factors :math:`m`.
    """
    nll = found.pixels
    assert nll is not None
    # beyond it, p is 0 in any dtype; at infinity the slope of the factors would be 0 * infinity
    losses = modulate(nll.clamp(max=1000)) * nll
    if weight is not None:
        void = (target < 0) | (target >= len(weight))
        losses = losses * weight.to(nll.dtype)[target.masked_fill(void, 0)]
    return losses.sum()
