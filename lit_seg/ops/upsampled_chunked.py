"""Sums and counts per class of logits smaller than the labels, in plain PyTorch.

On the CPU a chunk is some rows of the labels: the few rows of logits that it needs are interpolated
to them, so logits of full size are never in memory. On a GPU they are, in forward and again in
backward; there the gradient is PyTorch's, whose last bits differ between calls.
"""

from collections.abc import Iterator
from functools import partial
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_seg.ops import chunked
from lit_seg.ops.bounded_logits import BOUND, BoundedLogits
from lit_seg.ops.chunk_totals import LEAST, Totals, classes_of, first_places
from lit_seg.ops.interpolation import Chunk, Interpolation
from lit_seg.ops.modulation import LOG2_E, Modulation, class_bins
from lit_seg.ops.precision import wide_dtype

CHUNK_BYTES = 3 << 18
"""The logits of a chunk: operations on few rows are quickest in a cache close by."""


def forward(
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    predictions: bool,
    pixels: bool,
    align_corners: bool,
    modulation: Modulation | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As :func:`lit_seg.ops.chunked.forward`, of ``(N, C, h, w)`` logits and larger labels.

    On the CPU the log-sum-exp is of the logits of :func:`_in_base_2`, and to that base.
    """
    if logits.is_cuda:
        full = upsampled(logits, target, align_corners)
        return chunked.forward(full, target, margin, predictions, pixels)
    totals = Totals(logits, target, margin, predictions, modulation, 1 / LOG2_E)
    places = first_places(target, totals.num_classes) if totals.by_image else None
    to_pixels, lse = chunked.empty_pixels(logits, target, pixels)
    way = Interpolation(logits, target, align_corners, CHUNK_BYTES)
    logits, lost = _cleaned(logits, way)
    middle, bounded = _middle(logits, margin)
    quick = BoundedLogits(totals, lse, way.longest, predictions) if bounded else None
    for image, (band, chunks) in product(range(len(target)), way.bands):
        rows = image, band.full
        bins, own_class = classes_of(target[rows], totals.num_classes)
        small = _in_base_2(logits[image, :, band.own], lse, middle)
        parts = partial(_parts, way, small, chunks, None if lost is None else lost[rows])
        if quick is not None:
            found = quick.find(parts, bins, own_class, lse[rows])
        else:
            by_part = (
                totals.find(x, bins[mine], own_class[mine], lse[rows][mine]) for mine, x in parts()
            )
            found = tuple(
                None if each[0] is None else torch.cat(each) for each in zip(*by_part, strict=True)
            )
        places_here = None if places is None else places[rows]
        totals.count(bins, to_pixels[rows] if pixels else None, places_here, *found)
    return totals.sums, totals.counts, to_pixels, lse


def backward(
    by_class: Tensor | None,
    by_pixel: Tensor | None,
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    lse: Tensor,
    align_corners: bool,
    slopes: Tensor | None = None,
) -> Tensor:
    """As :func:`lit_seg.ops.chunked.backward`, with respect to the small logits."""
    result: Tensor
    if logits.is_cuda:
        full = upsampled(logits, target, align_corners)
        gradient = chunked.backward(by_class, by_pixel, full, target, margin, lse)
        result = torch.ops.aten.upsample_bilinear2d_backward(
            gradient, target.shape[1:], logits.shape, align_corners
        )
        return torch.empty_like(logits).copy_(result)
    result = torch.zeros_like(logits, dtype=lse.dtype)
    factors = chunked.Slopes(by_class, margin, logits)
    places = first_places(target, logits.shape[1]) if factors.by_image else None
    lower = None if factors.margin is None else factors.margin * -LOG2_E
    way = Interpolation(logits, target, align_corners, CHUNK_BYTES)
    logits, lost = _cleaned(logits, way)
    middle, bounded = _middle(logits, margin)
    for image, (band, chunks) in product(range(len(target)), way.bands):
        rows = image, band.full
        bins = class_bins(target[rows], logits.shape[1])
        small = _in_base_2(logits[image, :, band.own], lse, middle)
        of_pixels = (None if each is None else each[rows] for each in (by_pixel, slopes, places))
        factor = factors.factor(bins, *of_pixels).unsqueeze(1)
        norm = lse[rows].unsqueeze(1)
        if lost is not None:  # a void pixel may hold NaN, which times 0 is NaN
            void = (bins == logits.shape[1]).unsqueeze(1)
            factor.masked_fill_(void, 0)
            norm = norm.masked_fill(void, torch.inf)
        if bounded:
            norm = norm.neg().exp2_().mul_(factor)
        minus = factor.neg()
        less = None if lower is None else lower.take(bins).unsqueeze(1)
        own_class = bins.clamp_(max=logits.shape[1] - 1).unsqueeze(1)
        by_wide = way.zeros(band)
        by_rows = by_wide.flatten(1)
        for part, x in way.heightened(small, chunks):
            if less is not None:
                x.scatter_add_(1, own_class[part.full], less[part.full])
            if bounded:
                x.exp2_().mul_(norm[part.full])
            else:
                # p is at most 1, whatever rounding makes of large logits
                x.sub_(norm[part.full]).clamp_(LEAST, 0).exp2_().mul_(factor[part.full])
            x.scatter_add_(1, own_class[part.full], minus[part.full])
            by_rows[part.own].addmm_(part.weights.T, x.flatten(1))
        result[image, :, band.own] += way.narrowed(by_wide)
    return result.to(logits.dtype)


def _parts(
    way: Interpolation, small: Tensor, chunks: list[Chunk], void: Tensor | None
) -> Iterator[tuple[slice, Tensor]]:
    """Rows of a band and their ``(rows, C, W)`` logits, NaN where a ``(rows, W)`` mask holds."""
    for part, x in way.heightened(small, chunks):
        if void is not None:
            x.masked_fill_(void[part.full].unsqueeze(1), torch.nan)
        yield part.full, x


def upsampled(logits: Tensor, target: Tensor, align_corners: bool) -> Tensor:
    """Logits of the labels' size, in the dtype of the arithmetic."""
    return F.interpolate(
        logits.to(wide_dtype(logits)),
        target.shape[1:],
        mode="bilinear",
        align_corners=align_corners,
    )


def _cleaned(logits: Tensor, way: Interpolation) -> tuple[Tensor, Tensor | None]:
    """Finite logits, and which ``(N, H, W)`` pixels have a part in others, or None.

    A matrix product multiplies every logit of a row, and NaN times 0 is NaN.
    """
    if bool(logits.sum().isfinite()):  # else they may still be, with a sum that is too large
        return logits, None
    finite = logits.isfinite().all(1)
    if bool(finite.all()):
        return logits, None
    return logits.where(finite.unsqueeze(1), 0), way.reached(~finite)


def _middle(logits: Tensor, margin: Tensor | None) -> tuple[float, bool]:
    """What logits have in common, and whether :data:`BOUND` holds for the rest less a margin."""
    if not logits.numel():
        return 0.0, True
    least, most = (float(each) for each in logits.aminmax())
    middle = (least + most) / 2
    middle = middle if most - least < abs(middle) else 0.0  # then nothing is rounded
    widest = 0.0 if margin is None else float(margin.abs().amax())
    return middle, max(most - middle, middle - least) + widest < BOUND


def _in_base_2(logits: Tensor, like: Tensor, middle: float) -> Tensor:
    """Logits less what they have in common, which changes no p but costs digits, times log2(e)."""
    limit = torch.finfo(like.dtype).min / 4  # so that differences are finite
    return logits.to(like.dtype).sub(middle).clamp_(limit, -limit).mul_(LOG2_E)
