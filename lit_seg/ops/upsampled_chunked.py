"""Sums and counts per class of logits smaller than the labels, in plain PyTorch.

On the CPU a chunk is some rows of the labels: the few rows of logits that it needs are widened and
then heightened by matrix products, so logits of full size are never in memory. On a GPU they are,
in forward and again in backward; there the gradient is PyTorch's, whose last bits differ between
calls.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_seg.ops import chunked
from lit_seg.ops.modulation import Modulation
from lit_seg.ops.precision import wide_dtype

BAND = 64
"""Rows of the labels whose logits are widened at once, since neighbours need the same ones."""
COLUMNS = 16
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
    modulation: Modulation | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As :func:`lit_seg.ops.chunked.forward`, of ``(N, C, h, w)`` logits and larger labels."""
    if logits.is_cuda:
        full = upsampled(logits, target, align_corners)
        return chunked.forward(full, target, margin, predictions, pixels)
    totals = chunked.Totals(logits, target, margin, predictions, modulation)
    places = chunked.first_places(target, totals.num_classes) if totals.by_image else None
    room = chunked.Room(logits)
    nll, lse = chunked.empty_pixels(logits, target, pixels)
    columns = _columns(*_sizes(logits, 3, target, align_corners))
    logits, lost = _cleaned(logits, target, align_corners)
    for image, own, chunks in _bands(logits, target, align_corners):
        wide = _widened(logits[image, :, own].to(lse.dtype), columns)
        for rows, near, heighten in chunks:
            x = _heightened(heighten, wide[near], room)
            if lost is not None:
                x.masked_fill_(lost[image, rows].unsqueeze(1), torch.nan)
            to_nll = nll[image, rows] if pixels else None
            of_image = None if places is None else places[image, rows]
            totals.add(x, target[image, rows], lse[image, rows], to_nll, of_image)
    return totals.sums, totals.counts, nll, lse


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
    result = torch.empty_like(logits)
    by_row = lse.new_zeros(len(logits), logits.shape[2], *result.shape[1::2])
    gradients = chunked.Slopes(by_class, margin, logits)
    places = chunked.first_places(target, result.shape[1]) if gradients.by_image else None
    room = chunked.Room(logits)
    by_pixel = None if by_pixel is None else by_pixel.contiguous()
    columns = _columns(*_sizes(logits, 3, target, align_corners))
    logits, lost = _cleaned(logits, target, align_corners)
    for image, own, chunks in _bands(logits, target, align_corners):
        wide = _widened(logits[image, :, own].to(lse.dtype), columns)
        by_wide = torch.zeros_like(wide)
        for rows, near, heighten in chunks:
            x = _heightened(heighten, wide[near], room)
            if lost is not None:
                x.masked_fill_(lost[image, rows].unsqueeze(1), torch.nan)
            others = (by_pixel, slopes, places)
            of_rows = (None if each is None else each[image, rows] for each in others)
            gradients.write(x, x, target[image, rows], lse[image, rows], *of_rows)
            by_wide[near].flatten(1).addmm_(heighten.T, x.flatten(1))
        for part, near, weights in columns:
            by_row[image, own, :, near] += by_wide[..., part] @ weights
    return result.copy_(by_row.transpose(1, 2))


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
    if bool(logits.sum().isfinite()):  # else they may still be, with a sum that is too large
        return logits, None
    finite = logits.isfinite().all(1)
    if bool(finite.all()):
        return logits, None
    down, across = (_weights(*_sizes(logits, axis, target, align_corners)) for axis in (2, 3))
    reached = down @ (~finite).to(down.dtype) @ across.T
    return logits.where(finite.unsqueeze(1), 0), reached != 0


def _sizes(
    logits: Tensor, axis: int, target: Tensor, align_corners: bool
) -> tuple[int, int, bool, torch.dtype]:
    """What the interpolation along an axis of the logits depends on."""
    return logits.shape[axis], target.shape[axis - 1], align_corners, wide_dtype(logits)


@lru_cache(maxsize=16)
def _weights(own: int, full: int, align_corners: bool, dtype: torch.dtype) -> Tensor:
    """``(full, own)`` weights of the interpolation along an axis."""
    ones = torch.eye(own, dtype=dtype, device="cpu")
    parts = F.interpolate(
        ones.view(1, own, own, 1), (full, 1), mode="bilinear", align_corners=align_corners
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


@lru_cache(maxsize=16)  # of every step the same
def _columns(own: int, full: int, *options: Any) -> list[Part]:
    """Parts of ``full`` columns of labels, over ``own`` columns of logits; see :func:`_sizes`."""
    size = ceil(COLUMNS * full / max(1, own))
    return list(_parts(_weights(own, full, *options), max(1, size)))


def _widened(small: Tensor, columns: list[Part]) -> Tensor:
    """``(rows, C, W)`` logits of ``(C, rows, w)`` ones."""
    small = small.transpose(0, 1).contiguous()
    wide = small.new_empty(*small.shape[:2], columns[-1].full.stop if columns else 0)
    for full, own, weights in columns:
        wide[..., full] = small[..., own] @ weights.T
    return wide


def _heightened(weights: Tensor, wide: Tensor, room: chunked.Room) -> Tensor:
    """``(rows, C, W)`` logits of fewer rows of them, with the classes of a row side by side.

    So all of them are one product.
    """
    x = room.of((len(weights), *wide.shape[1:]))
    torch.mm(weights, wide.flatten(1), out=x.flatten(1))
    return x


def _bands(logits: Tensor, target: Tensor, align_corners: bool) -> Iterator[Band]:
    images, _, width = target.shape
    step = max(1, chunked.chunk_bytes(logits) // (4 * logits.shape[1] * max(1, width)))
    step = ceil(BAND / ceil(BAND / step))  # parts of one size
    bands = _rows(BAND, step, *_sizes(logits, 2, target, align_corners))
    for image in range(images):
        for own, chunks in bands:
            yield Band(image, own, chunks)


@lru_cache(maxsize=16)
def _rows(size: int, step: int, *sizes: Any) -> list[tuple[slice, list[Part]]]:
    """Bands of ``size`` rows of labels, in chunks of ``step``: which logits, and the chunks."""
    bands = []
    for rows, own, band in _parts(_weights(*sizes), size):
        chunks = [
            Part(slice(part.full.start + rows.start, part.full.stop + rows.start), *part[1:])
            for part in _parts(band, step)
        ]
        bands.append((own, chunks))
    return bands
