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
from lit_seg.ops.chunked import LOG2_E, Room, with_void
from lit_seg.ops.interpolation import Interpolation
from lit_seg.ops.precision import wide_dtype

CHUNK_BYTES = 5 << 17
"""The logits of a chunk: products of few rows are quickest in a cache close by."""
MOST = 100
"""To the base 2: sums of exponentials of less than it are finite."""
BOUND = 60
"""To the base 2: with log-sum-exps between it and its negative, no exponential of a logit is
infinite, and none that counts is 0."""


def forward(
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    predictions: bool,
    pixels: bool,
    align_corners: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As :func:`lit_seg.ops.chunked.forward`, of ``(N, C, h, w)`` logits and larger labels."""
    if logits.is_cuda:
        full = upsampled(logits, target, align_corners)
        return chunked.forward(full, target, margin, predictions, pixels)
    totals = chunked.Totals(logits, target, margin, predictions)
    nll, lse = chunked.empty_pixels(logits, target, pixels)
    lower = None if margin is None else with_void(_to_base_2(margin, lse))
    way = Interpolation(logits, target, align_corners, CHUNK_BYTES)
    logits, lost = _cleaned(logits, way)
    room = Room(logits)
    for image, (band, chunks) in product(range(len(target)), way.bands):
        rows = image, band.full
        _, bins, own_class = chunked.classes(target[rows], logits.shape[1])
        less = None if lower is None else lower.take(bins).unsqueeze(1)
        found = []
        for part, x in way.heightened(_to_base_2(logits[image, :, band.own], lse), chunks):
            if lost is not None:
                x.masked_fill_(lost[rows][part.full].unsqueeze(1), torch.nan)
            own = x.gather(1, own_class[part.full])
            if less is not None:
                own -= less[part.full]
            x.sub_(own)
            found.append((own, *_against_others(x, own_class[part.full], predictions, room)))
        own, losses, hits, *predicted = map(torch.cat, zip(*found, strict=True))
        torch.add(losses, own.squeeze(1), alpha=1 / LOG2_E, out=lse[rows])
        if pixels:
            nll[rows] = losses.where(bins < logits.shape[1], 0)
        totals.count(bins, losses, hits, *predicted)
    return totals.sums, totals.counts, nll, lse


def _against_others(
    x: Tensor, own_class: Tensor, predictions: bool, room: Room
) -> tuple[Tensor, ...]:
    """The -log p of pixels, whether they are hits and, if they are wanted, the predictions.

    Args:
        x: ``(N, C, P)`` logits to the base 2, less that of the own class; overwritten.
        own_class: ``(N, 1, P)``.
        predictions: whether they are wanted.
        room: for them.
    """
    x.scatter_add_(1, own_class, x.new_full((), -torch.inf).expand(own_class.shape))
    most = x.amax(1, keepdim=True)
    hits = (most < 0).squeeze(1)
    if not most.all():  # among equals the lowest id
        at = (most.squeeze(1) == 0).nonzero(as_tuple=True)
        hits[at] = chunked.largest(x, at) > own_class.squeeze(1)[at]
    predicted = []
    if predictions:
        best = room.of(x.shape).copy_(x).ge_(most)
        unsure = (best.sum(1) != 1).nonzero(as_tuple=True)
        ids = torch.arange(x.shape[1], dtype=x.dtype).unsqueeze(1)
        others = best.mul_(ids).sum(1).long()
        others[unsure] = chunked.largest(x, unsure)
        predicted = [own_class.squeeze(1).where(hits, others)]
    if most.amax() < MOST or not (most >= MOST).any():  # with NaN the first does not hold
        losses = x.exp2_().sum(1).log1p_()
    else:
        most.clamp_(min=0)
        losses = x.sub_(most).exp2_().sum(1) + most.neg().exp2_().squeeze(1)
        losses.log_().add_(most.squeeze(1), alpha=1 / LOG2_E)
    return losses, hits, *predicted


def backward(
    by_class: Tensor | None,
    by_pixel: Tensor | None,
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    lse: Tensor,
    align_corners: bool,
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
    slopes = chunked.Slopes(by_class, margin, logits)
    lower = None if margin is None else with_void(_to_base_2(margin, lse))
    way = Interpolation(logits, target, align_corners, CHUNK_BYTES)
    logits, lost = _cleaned(logits, way)
    bounded = lse.numel() > 0 and bool(max(-lse.amin(), lse.amax()) < BOUND / LOG2_E)
    for image, (band, chunks) in product(range(len(target)), way.bands):
        rows = image, band.full
        valid, bins, own_class = chunked.classes(target[rows], logits.shape[1])
        factor = slopes.factor(bins, None if by_pixel is None else by_pixel[rows]).unsqueeze(1)
        minus = factor.neg()
        less = None if lower is None else lower.neg().take(bins).unsqueeze(1)
        norm = lse[rows].mul(LOG2_E).unsqueeze(1)
        if bounded:
            norm = norm.neg_().exp2_().mul_(factor)
        small = _to_base_2(logits[image, :, band.own], lse)
        slope = lse.new_zeros(small.shape[1], len(small), target.shape[2])
        for part, x in way.heightened(small, chunks):
            if lost is not None:
                x.masked_fill_(lost[rows][part.full].unsqueeze(1), torch.nan)
            if less is not None:
                x.scatter_add_(1, own_class[part.full], less[part.full])
            if bounded:
                x.exp2_().mul_(norm[part.full])
            else:
                x.sub_(norm[part.full]).exp2_()
                # a void pixel may hold NaN or infinity, which times 0 is NaN
                x.masked_fill_(~valid[part.full].unsqueeze(1), 0).mul_(factor[part.full])
            x.scatter_add_(1, own_class[part.full], minus[part.full])
            slope[part.own].flatten(1).addmm_(part.weights.T, x.flatten(1))
        result[image, :, band.own] += way.narrowed(slope)
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


def _to_base_2(values: Tensor, like: Tensor) -> Tensor:
    """Times log2(e), in the dtype of the arithmetic, and of a size that differences are finite."""
    most = torch.finfo(like.dtype).max / 4
    return values.to(like.dtype).clamp(-most, most).mul_(LOG2_E)
