"""Sums and counts per class of logits smaller than the labels, in plain PyTorch.

On the CPU a chunk is some rows of the labels: the few rows of logits that it needs are widened and
then heightened by matrix products, so logits of full size are never in memory. On a GPU they are,
in forward and again in backward; there the gradient is PyTorch's, whose last bits differ between
calls.
"""

from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_seg.ops import chunked
from lit_seg.ops.precision import wide_dtype

BAND = 64
"""Rows of the labels whose logits are widened at once, since neighbours need the same ones."""
COLUMNS = 32
"""Columns of logits in one product: most others have no part in the same columns of the labels."""


class Part(NamedTuple):
    """Some neighbouring rows or columns of the labels.

    Attributes:
        full: which ones.
        own: the rows or columns of logits that they lie between.
        weights: ``(full, own)`` of the interpolation.
    """

    full: slice
    own: slice
    weights: Tensor


class Band(NamedTuple):
    """Some rows of the labels of an image.

    Attributes:
        image: which one.
        logits: the rows of logits that they lie between.
        chunks: its parts, whose ``own`` counts from the first of ``logits``.
    """

    image: int
    logits: slice
    chunks: list[Part]


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
    num_classes = logits.shape[1]
    totals = chunked.Totals(logits, target, margin, predictions)
    room = chunked.Room(logits)
    nll, lse = chunked.empty_pixels(logits, target, pixels)
    columns = _columns(logits, target, align_corners)
    logits, lost = _cleaned(logits, target, align_corners)
    for image, own, chunks in _bands(logits, target, align_corners):
        wide = _widened(logits[image, :, own].to(lse.dtype), columns)
        for rows, near, heighten in chunks:
            x = room.of((num_classes, len(heighten), wide.shape[2]))
            x = torch.matmul(heighten, wide[:, near], out=x).view(1, num_classes, -1)
            if lost is not None:
                x.masked_fill_(lost[image, rows].view(1, 1, -1), torch.nan)
            label, to_lse, to_nll = (
                each[image, rows].view(1, -1) for each in (target, lse, nll if pixels else lse)
            )
            totals.add(x, label, to_lse, to_nll if pixels else None)
    return totals.sums, totals.counts, nll, lse


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
    room = chunked.Room(logits)
    by_pixel = None if by_pixel is None else by_pixel.contiguous()
    columns = _columns(logits, target, align_corners)
    logits, lost = _cleaned(logits, target, align_corners)
    for image, own, chunks in _bands(logits, target, align_corners):
        wide = _widened(logits[image, :, own].to(lse.dtype), columns)
        slope = torch.zeros_like(wide)
        for rows, near, heighten in chunks:
            x = room.of((len(wide), len(heighten), wide.shape[2]))
            torch.matmul(heighten, wide[:, near], out=x)
            label, norm = (each[image, rows].view(1, -1) for each in (target, lse))
            factor = None if by_pixel is None else by_pixel[image, rows].view(1, -1)
            as_chunk = x.view(1, len(x), -1)
            if lost is not None:
                x.masked_fill_(lost[image, rows], torch.nan)
            slopes.write(as_chunk, as_chunk, label, norm, factor)
            slope[:, near] += heighten.T @ x
        for part, near, weights in columns:
            result[image, :, own, near] += slope[..., part] @ weights
    return result.to(logits.dtype)


def upsampled(logits: Tensor, target: Tensor, align_corners: bool) -> Tensor:
    """Logits of the labels' size, in the dtype of the arithmetic."""
    return F.interpolate(
        logits.to(wide_dtype(logits)),
        target.shape[1:],
        mode="bilinear",
        align_corners=align_corners,
    )


def _cleaned(logits: Tensor, target: Tensor, align_corners: bool) -> tuple[Tensor, Tensor | None]:
    """Finite logits, and which ``(N, H, W)`` pixels have a part in others, or None.

    A matrix product multiplies every logit of a row, and NaN times 0 is NaN.
    """
    finite = logits.isfinite().all(1)
    if bool(finite.all()):
        return logits, None
    down, across = (_weights(logits, axis, target, align_corners) for axis in (2, 3))
    reached = down @ (~finite).to(down.dtype) @ across.T
    return logits.where(finite.unsqueeze(1), 0), reached != 0


def _weights(logits: Tensor, axis: int, target: Tensor, align_corners: bool) -> Tensor:
    """``(full size, own size)`` weights of the interpolation along an axis of the logits."""
    own, full = logits.shape[axis], target.shape[axis - 1]
    ones = torch.eye(own, dtype=wide_dtype(logits), device=logits.device)
    shape = (full, 1)
    parts = F.interpolate(
        ones.view(1, own, own, 1), shape, mode="bilinear", align_corners=align_corners
    )
    return parts.view(own, full).T


def _parts(weights: Tensor, size: int) -> Iterator[Part]:
    """Parts of so many rows or columns, from the ``(full, own)`` weights of all."""
    used = weights != 0
    first = used.int().argmax(1).tolist()
    end = (used.shape[1] - used.flip(1).int().argmax(1)).tolist()
    for start in range(0, len(weights), size):
        stop = min(start + size, len(weights))
        own = slice(first[start], end[stop - 1])
        yield Part(slice(start, stop), own, weights[start:stop, own])


def _columns(logits: Tensor, target: Tensor, align_corners: bool) -> list[Part]:
    size = ceil(COLUMNS * target.shape[2] / max(1, logits.shape[3]))
    return list(_parts(_weights(logits, 3, target, align_corners), max(1, size)))


def _widened(small: Tensor, columns: list[Part]) -> Tensor:
    """``(C, rows, W)`` logits of ``(C, rows, w)`` ones."""
    wide = small.new_empty(*small.shape[:2], columns[-1].full.stop if columns else 0)
    for full, own, weights in columns:
        wide[..., full] = small[..., own] @ weights.T
    return wide


def _bands(logits: Tensor, target: Tensor, align_corners: bool) -> Iterator[Band]:
    weights = _weights(logits, 2, target, align_corners)
    images, _, width = target.shape
    step = max(1, chunked.chunk_bytes(logits) // (4 * logits.shape[1] * max(1, width)))
    bands = []
    for rows, own, band in _parts(weights, BAND):
        chunks = [
            Part(slice(part.full.start + rows.start, part.full.stop + rows.start), *part[1:])
            for part in _parts(band, step)
        ]
        bands.append((own, chunks))
    for image in range(images):
        for own, chunks in bands:
            yield Band(image, own, chunks)
