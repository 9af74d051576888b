"""Sums and counts per class of logits smaller than the labels, in plain PyTorch.

On the CPU a chunk is some rows of the labels: the few rows of logits that it needs are widened and
then heightened by matrix products, so logits of full size are never in memory. On a GPU they are,
in forward and again in backward; there the gradient is PyTorch's, whose last bits differ between
calls.
"""

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_seg.ops import chunked
from lit_seg.ops.chunk_totals import (
    LOG2_E,
    MOST,
    ONE,
    Room,
    Totals,
    classes_of,
    first_places,
    with_void,
)
from lit_seg.ops.interpolation import Interpolation
from lit_seg.ops.modulation import Modulation, class_bins
from lit_seg.ops.precision import wide_dtype

CHUNK_BYTES = 3 << 18
"""The logits of a chunk: products of few rows are quickest in a cache close by."""
BOUND = 35
"""Logits between it and its negative have exact sums and quotients of exponentials."""


def forward(
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    predictions: bool,
    pixels: bool,
    align_corners: bool,
    modulation: Modulation | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As :func:`lit_seg.ops.chunked.forward`, of ``(N, C, h, w)`` logits and larger labels."""
    if logits.is_cuda:
        full = upsampled(logits, target, align_corners)
        return chunked.forward(full, target, margin, predictions, pixels)
    totals = Totals(logits, target, margin, predictions, modulation)
    places = first_places(target, totals.num_classes) if totals.by_image else None
    to_pixels, lse = chunked.empty_pixels(logits, target, pixels)
    lower = None if margin is None else with_void(_to_base_2(margin, lse))
    way = Interpolation(logits, target, align_corners, CHUNK_BYTES)
    logits, lost = _cleaned(logits, way)
    bounded = _bounded(logits, margin)
    room = Room(logits)
    for image, (band, chunks) in product(range(len(target)), way.bands):
        rows = image, band.full
        bins, own_class = classes_of(target[rows], logits.shape[1])
        less = None if lower is None else lower.take(bins).unsqueeze(1)
        found = []
        for part, x in way.heightened(_to_base_2(logits[image, :, band.own], lse), chunks):
            if lost is not None:
                x.masked_fill_(lost[rows][part.full].unsqueeze(1), torch.nan)
            own = x.gather(1, own_class[part.full])
            if less is not None:
                own -= less[part.full]
            others = _against_others(x, own, own_class[part.full], bounded, room, predictions)
            found.append((own, *others))
        tensors = (torch.cat(each).squeeze(1) for each in zip(*found, strict=True))
        own, losses, against, *predicted = tensors
        torch.add(losses, own, alpha=1 / LOG2_E, out=lse[rows])
        totals.count(
            bins,
            losses,
            against < 0,
            predicted[0] if predictions else None,
            to_pixels[rows] if pixels else None,
            None if places is None else places[rows],
        )
    return totals.sums, totals.counts, to_pixels, lse


def _against_others(
    x: Tensor, own: Tensor, own_class: Tensor, bounded: bool, room: Room, predictions: bool
) -> tuple[Tensor, ...]:
    """The -log p of pixels, a number that is negative for hits and, if wanted, the predictions.

    Args:
        x: ``(N, C, P)`` logits to the base 2; overwritten.
        own: ``(N, 1, P)`` those of the own classes, as is ``own_class``.
        own_class: class ids.
        bounded: whether no logit is beyond :data:`BOUND`.
        room: for the predictions.
        predictions: whether they are wanted.

    Returns:
        ``(N, 1, P)`` tensors.
    """
    if not bounded:
        x.sub_(own)
    x.scatter_add_(1, own_class, x.new_full((), -torch.inf).expand(own.shape))
    most = x.amax(1, keepdim=True)
    against = most - own if bounded else most.clone()
    if against.count_nonzero() < against.numel():  # among equals the lowest id
        rows, at = _rows(x, against == 0)
        against[at] = (own_class[at] - rows.argmax(1)).to(x.dtype)
    predicted = []
    if predictions:
        best = room.of(x.shape).copy_(x).ge_(most)
        ids = torch.arange(ONE, ONE + x.shape[1], dtype=x.dtype).unsqueeze(1)
        total = best.mul_(ids).sum(1, keepdim=True)
        others = total.long() - ONE
        rows, at = _rows(x, (total < ONE) | (total >= 2 * ONE))  # NaN, or several
        others[at] = rows.argmax(1)
        predicted = [own_class.where(against < 0, others)]
    if bounded:
        losses = x.exp2_().sum(1, keepdim=True).mul_(own.neg().exp2_()).log1p_()
    elif most.amax() < MOST or not (most >= MOST).any():  # with NaN the first does not hold
        losses = x.exp2_().sum(1, keepdim=True).log1p_()
    else:
        top = most.clamp_(min=0)
        losses = x.sub_(top).exp2_().sum(1, keepdim=True).add_(top.neg().exp2_())
        losses.log_().add_(top, alpha=1 / LOG2_E)
    return losses, against, *predicted


def _rows(x: Tensor, mask: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """``(n, C)`` logits of the pixels where a ``(N, 1, P)`` mask holds, and their index."""
    images, zeros, pixels = mask.nonzero(as_tuple=True)
    return x[images, :, pixels], (images, zeros, pixels)


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
    lower = None if margin is None else with_void(_to_base_2(margin, lse))
    way = Interpolation(logits, target, align_corners, CHUNK_BYTES)
    logits, lost = _cleaned(logits, way)
    bounded = _bounded(logits, margin)
    for image, (band, chunks) in product(range(len(target)), way.bands):
        rows = image, band.full
        bins = class_bins(target[rows], logits.shape[1])
        of_pixels = (None if each is None else each[rows] for each in (by_pixel, slopes, places))
        factor = factors.factor(bins, *of_pixels).unsqueeze(1)
        norm = lse[rows].mul(LOG2_E).unsqueeze(1)
        if lost is not None or not bounded:  # a void pixel may hold NaN, which times 0 is NaN
            void = (bins == logits.shape[1]).unsqueeze(1)
            factor.masked_fill_(void, 0)
            norm.masked_fill_(void, torch.inf)
        if bounded:
            norm = norm.neg_().exp2_().mul_(factor)
        minus = factor.neg()
        less = None if lower is None else lower.neg().take(bins).unsqueeze(1)
        own_class = bins.clamp_(max=logits.shape[1] - 1).unsqueeze(1)
        by_wide = way.zeros(band)
        for part, x in way.heightened(_to_base_2(logits[image, :, band.own], lse), chunks):
            if less is not None:
                x.scatter_add_(1, own_class[part.full], less[part.full])
            if bounded:
                x.exp2_().mul_(norm[part.full])
            else:
                # p is at most 1, whatever rounding makes of large logits
                x.sub_(norm[part.full]).clamp_(max=0).exp2_().mul_(factor[part.full])
            x.scatter_add_(1, own_class[part.full], minus[part.full])
            by_wide[part.own].flatten(1).addmm_(part.weights.T, x.flatten(1))
        result[image, :, band.own] += way.narrowed(by_wide)
    return result.to(logits.dtype)


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


def _bounded(logits: Tensor, margin: Tensor | None) -> bool:
    """Whether no logit is beyond :data:`BOUND`, even when it is lowered by a margin."""
    values = [each for each in (logits, margin) if each is not None and each.numel()]
    return sum(max(-float(each.amin()), float(each.amax())) for each in values) < BOUND


def _to_base_2(values: Tensor, like: Tensor) -> Tensor:
    """Times log2(e), in the dtype of the arithmetic, and of a size that differences are finite."""
    most = torch.finfo(like.dtype).max / 4
    return values.to(like.dtype).clamp(-most, most).mul_(LOG2_E)
