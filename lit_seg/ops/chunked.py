"""Sums and counts per class in plain PyTorch, by chunks of pixels that stay in the cache."""

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from lit_seg.ops.adjustment import per_class
from lit_seg.ops.chunk_totals import LEAST, Totals, classes_of, first_places, with_void
from lit_seg.ops.fresh import fresh_like
from lit_seg.ops.modulation import LOG2_E, Modulation, flat_pixels
from lit_seg.ops.precision import wide_dtype
from lit_seg.ops.room import Room

CHUNK_BYTES = {"cpu": 4 << 20, "cuda": 32 << 20}
"""The logits of a chunk, in the dtype of the arithmetic; a GPU needs more at once to be busy."""


def chunk_bytes(logits: Tensor) -> int:
    """:data:`CHUNK_BYTES` of the device of the logits."""
    return CHUNK_BYTES.get(logits.device.type, CHUNK_BYTES["cpu"])


def empty_pixels(logits: Tensor, target: Tensor, pixels: bool) -> tuple[Tensor, Tensor]:
    """Room for the -log p of each pixel, if it is wanted, and for the log-sum-exp."""
    lse = logits.new_empty(target.shape, dtype=wide_dtype(logits))
    return (torch.empty_like(lse) if pixels else lse.new_empty(0)), lse


def forward(
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    predictions: bool,
    pixels: bool,
    modulation: Modulation | None = None,
    scale: float = 1.0,
    shift: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All that one pass over the logits gives; they are contiguous or channels last.

    Args:
        logits: ``(N, C, *)``.
        target: ``(N, *)`` int64, contiguous.
        margin: ``(C,)`` what the logit of a pixel's own class is lowered by; None stands for 0.
        predictions: whether the third row of counts is wanted.
        pixels: whether the -log p of each pixel is wanted; with a modulation, its slope.
        modulation: what -log p is multiplied by; None stands for 1. Not on CUDA.
        scale: what the logits are multiplied by, on the CPU.
        shift: ``(C,)`` what is added to them then, or None; on the CPU.

    Returns:
        ``(C,)`` float64 sums of -log p, ``(2 or 3, C)`` int64 counts, ``(N, *)`` -log p or nothing,
        and ``(N, *)`` log-sum-exp over the scale, of no meaning where a pixel is void. With a
        modulation, sums are of the losses, and their derivatives with respect to -log p, of no
        meaning where a pixel is void, take its place; if it is by image, sums are ``(N, C)`` and
        counts ``(2 or 3, N, C)``.
    """
    totals = Totals(logits, target, margin, predictions, modulation, scale)
    all_pixels, lse = empty_pixels(logits, target, pixels)
    image = first_places(target, totals.num_classes) if totals.by_image else None
    wanted = all_pixels if pixels else None
    room = Room(logits)
    for x, *of_pixels in _chunks([flat(logits)], target, lse, wanted, image):
        if shift is not None:
            wide = room.of(x.shape)
            x = torch.add(x, per_class(shift / scale, wide), out=wide)
        totals.add(x, *of_pixels)
    return totals.sums, totals.counts, all_pixels, lse


def backward(
    by_class: Tensor | None,
    by_pixel: Tensor | None,
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    lse: Tensor,
    slopes: Tensor | None = None,
    scale: float = 1.0,
    shift: Tensor | None = None,
) -> Tensor:
    """The gradient with respect to the logits.

    Args:
        by_class: ``(C,)`` or ``(N, C)`` gradient of the sums; None stands for 0.
        by_pixel: ``(N, *)`` gradient of the -log p of each pixel; None stands for 0.
        logits: as in forward, as all that follows.
        target: ``(N, *)``.
        margin: ``(C,)`` or None.
        lse: ``(N, *)`` log-sum-exp.
        slopes: ``(N, *)`` what forward gave of each pixel, if there was a modulation.
        scale: as in forward, as is ``shift``.
        shift: ``(C,)`` or None.
    """
    result = fresh_like(logits)
    slopes_of = Slopes(by_class, margin, logits, scale)
    by_pixel = None if by_pixel is None else by_pixel.contiguous()
    image = first_places(target, slopes_of.num_classes) if slopes_of.by_image else None
    both = [flat(logits), flat(result)]
    for x, out, *of_pixels in _chunks(both, target, lse, by_pixel, slopes, image):
        wide = out if out.dtype == lse.dtype else torch.empty_like(out, dtype=lse.dtype)
        if shift is not None:
            x = torch.add(x.to(wide.dtype), per_class(shift / scale, wide), out=wide)
        slopes_of.write(x, wide, *of_pixels)
        if wide is not out:
            out.copy_(wide)
    return result


class Slopes:
    """The gradient with respect to chunks of logits.

    Args:
        by_class: ``(C,)`` or ``(N, C)`` gradient of the sums; None stands for 0.
        margin: ``(C,)`` or None.
        logits: ``(N, C, *)``.
        scale: what all is multiplied by.
    """

    def __init__(
        self,
        by_class: Tensor | None,
        margin: Tensor | None,
        logits: Tensor,
        scale: float = 1.0,
    ) -> None:
        self.scale = scale
        self.num_classes = logits.shape[1]
        self.factors = class_factors(by_class, logits)
        self.by_image = self.factors.ndim > 1
        self.margin = None if margin is None else with_void(margin.to(self.factors.dtype))

    def factor(
        self,
        bins: Tensor,
        by_pixel: Tensor | None,
        slopes: Tensor | None = None,
        image: Tensor | None = None,
    ) -> Tensor:
        """The gradient with respect to the -log p of pixels, by their class ids, C for void.

        The other arguments are those of :meth:`write`.
        """
        place = bins if image is None else bins + image
        factor = self.factors.view(-1).index_select(0, place.flatten()).view(bins.shape)
        if slopes is not None:
            factor *= slopes
        if by_pixel is not None:
            factor += by_pixel.where(bins < self.num_classes, 0)
        return factor if self.scale == 1 else factor.mul_(self.scale)

    def write(
        self,
        x: Tensor,
        out: Tensor,
        label: Tensor,
        lse: Tensor,
        by_pixel: Tensor | None,
        slopes: Tensor | None = None,
        image: Tensor | None = None,
    ) -> None:
        """Write the gradient with respect to a chunk of logits.

        Args:
            x: ``(N, C, P)`` logits.
            out: ``(N, C, P)`` in the dtype of the arithmetic; may be ``x``.
            label: ``(N, P)`` class ids.
            lse: ``(N, P)`` log-sum-exp.
            by_pixel: ``(N, P)`` gradient of the -log p of each pixel, or None.
            slopes: ``(N, P)`` what the gradient of the sums is multiplied by, or None.
            image: ``(N, P)`` of :func:`first_places`, if sums are by image.
        """
        bins, own_class = classes_of(label, self.num_classes)
        factor = self.factor(bins, by_pixel, slopes, image)
        torch.sub(x, lse.unsqueeze(1), out=out).mul_(self.scale * LOG2_E)
        if self.margin is not None:
            lower = self.margin.mul(-LOG2_E).take(bins)
            out.scatter_add_(1, own_class, lower.unsqueeze(1))
        if self.scale > 1:  # then logits are far apart
            out.clamp_(min=LEAST)
        out.exp2_()
        # a void pixel may hold NaN or infinity, which times 0 is NaN
        if x.is_cuda or not bool(lse.sum().isfinite()):
            void = bins == self.num_classes
            out.masked_fill_(void.unsqueeze(1), 0)
            factor.masked_fill_(void, 0)
        out.mul_(factor.unsqueeze(1)).scatter_add_(1, own_class, factor.neg_().unsqueeze(1))


def class_factors(by_class: Tensor | None, logits: Tensor) -> Tensor:
    """``(C + 1,)`` or ``(N, C + 1)`` gradient of the sums of logits; 0 for void, and for None."""
    if by_class is None:
        by_class = logits.new_zeros(logits.shape[1])
    return with_void(by_class.to(wide_dtype(logits)))


def flat(logits: Tensor) -> Tensor:
    """``(N, C, P)`` view of ``(N, C, *)`` logits that are contiguous or channels last."""
    if logits.is_contiguous():
        return logits.unsqueeze(-1).flatten(2)
    return logits.movedim(1, -1).flatten(1, -2).transpose(1, 2)


def _chunks(logits: list[Tensor], *pixels: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """Views of ``(N, C, P)`` tensors and of contiguous ``(N, *)`` ones, by images or parts of one.

    In place of None there is None.
    """
    images, num_classes, size = logits[0].shape
    room = chunk_bytes(logits[0]) // (4 * num_classes)
    width = max(1, min(size, room))
    height = max(1, room // max(1, size))
    tensors = *logits, *(each if each is None else flat_pixels(each) for each in pixels)
    for top in range(0, images if size else 0, height):
        yield from zip(
            *(
                repeat(None) if each is None else each[top : top + height].split(width, -1)  # type: ignore[no-untyped-call]
                for each in tensors
            ),
            strict=False,
        )
