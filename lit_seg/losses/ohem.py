"""Online hard example mining: only the pixels with the largest losses count."""

from math import log

import torch
from torch import Tensor

from lit_seg.losses.base import Counts, in_range
from lit_seg.losses.pixelwise import PixelLoss
from lit_seg.ops.modulation import of_class
from lit_seg.ops.precision import widest_float


class OHEMLoss(PixelLoss):
    r"""The mean of :math:`-\log p_y` over the hardest pixels of the step.

    By default these are the ``keep`` share of all valid pixels. With a ``threshold`` they are the
    pixels with :math:`p_y` below it, and the ``min_kept`` hardest in any case. While training on
    several ranks the choice is among the pixels of all of them, exactly: pixels as hard as the last
    one chosen share its place.

    Args:
        class_counts: pixels per class; only their number is used.
        keep: share of the valid pixels, in (0, 1]. Used without a threshold.
        threshold: in (0, 1], or none for the share.
        min_kept: at least so many pixels of the step. Used with a threshold.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Reference: Shrivastava et al., arXiv 1604.03540; 70 % is the share of arXiv 2106.14917, section
    4.1. Its code sorts over the wrong axis and keeps half a percent. detectron2's DeepLab loss
    counts void among the pixels whose share is kept. Threshold .7 with 100000 pixels is
    mmsegmentation's.

    Example:
        >>> import torch
        >>> loss = OHEMLoss(class_counts=[90, 10], keep=0.5)
        >>> logits = torch.tensor([[[0.0, 9.0, 9.0, 0.0], [0.0, 0.0, 0.0, 0.0]]])
        >>> round(loss(logits, torch.tensor([[0, 0, 0, 0]])).item(), 4)  # where p = 1/2
        0.6931
    """

    as_they_are = True
    needs_pixels = True

    def __init__(
        self,
        class_counts: Counts,
        keep: float = 0.7,
        threshold: float | None = None,
        min_kept: int = 100_000,
    ) -> None:
        super().__init__(class_counts)
        self.keep = in_range("keep", keep, "(0, 1]")
        self.threshold = (
            threshold if threshold is None else in_range("threshold", threshold, "(0, 1]")
        )
        self.min_kept = int(in_range("min_kept", min_kept, "[0, 1e15]"))
        if self.min_kept != min_kept:
            raise ValueError(f"`min_kept` must be a whole number, got {min_kept}")
        if (keep != 0.7) if threshold else (min_kept != 100_000):
            raise ValueError(
                "`keep` is used without a `threshold` and `min_kept` with one, got "
                f"keep {keep}, threshold {threshold} and min_kept {min_kept}"
            )

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        losses = self.nll_of(logits, target).pixels
        assert losses is not None
        valid = target != self.void
        chosen, number = self._choose(losses.detach(), valid)
        if self.given_weight is not None:
            losses = losses * of_class(self.given_weight.to(losses.dtype), target)
        return self.mean((chosen * losses).sum(), number)

    def _choose(self, hardness: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """How much of each pixel counts, in [0, 1], and the number of pixels that do, of all ranks.

        The k-th largest float of 32 bits is found from counts that can be summed over ranks: floats
        >= 0 have the order of their bits, so first by the upper 16 and then by the lower. That is
        also faster than sorting.
        """
        floats = widest_float(hardness.device)
        bits = hardness.float().abs().view(torch.int32)  # abs: -0.0 is not below 0.0
        upper, lower = bits >> 16, bits & 0xFFFF
        counts = self._count(upper, valid)
        pixels = counts.sum()
        if self.threshold is None:
            number = (self.keep * pixels.to(floats)).long().clamp(min=1)
        else:
            below = valid & (hardness > -log(self.threshold))
            number = self.over_ranks(below.sum()).clamp(min=self.min_kept)
        number = torch.minimum(number, pixels)
        upper_bits, above = _kth_largest(counts, number)
        counts = self._count(lower, valid & (upper == upper_bits))
        lower_bits, above_here = _kth_largest(counts, number - above)
        last = (upper_bits << 16) | lower_bits
        equal = counts.gather(0, lower_bits).clamp(min=1)
        share = ((number - above - above_here).to(floats) / equal).to(hardness.dtype)
        chosen = torch.where(bits == last, share, (bits > last).to(hardness.dtype))
        return chosen * valid, number

    def _count(self, values: Tensor, mask: Tensor) -> Tensor:
        """How many pixels of all ranks have each value of 16 bits, where the mask holds."""
        values = torch.where(mask, values, 2**16).flatten()
        return self.over_ranks(torch.bincount(values, minlength=2**16 + 1)[:-1])


def _kth_largest(counts: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """The k-th largest value given how often each occurs, and how many are larger; both ``(1,)``.

    No tensor is used as an index: that would wait for the GPU.
    """
    from_top = counts.flip(0).cumsum(0)
    place = torch.searchsorted(from_top, k.clamp(min=1).view(1)).clamp(max=len(counts) - 1)
    value = len(counts) - 1 - place
    return value, from_top.gather(0, place) - counts.gather(0, value)
