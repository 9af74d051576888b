"""Bilinear interpolation as matrix products over parts of an image that stay in the cache.

The few rows of logits that a band of rows of the labels lies between are widened once, and then
heightened to some of these rows at a time; the gradient goes the way back.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import ceil
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

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


Band = tuple[Part, list[Part]]
"""Some rows of the labels, and the chunks of it: their rows and those of logits count from its."""


class Interpolation:
    """The interpolation of ``(N, C, h, w)`` logits to labels of another size.

    Args:
        logits: whose shape and dtype are used.
        target: ``(N, H, W)``.
        align_corners: as in ``F.interpolate``.
        chunk_bytes: of the interpolated logits of a chunk.
    """

    def __init__(
        self, logits: Tensor, target: Tensor, align_corners: bool, chunk_bytes: int
    ) -> None:
        (_, num_classes, *own), full = logits.shape, target.shape[1:]
        options = align_corners, wide_dtype(logits)
        self._down, self._across = (
            _weights(*sizes, *options) for sizes in zip(own, full, strict=True)
        )
        rows = max(1, chunk_bytes // (4 * num_classes * max(1, full[1])))
        rows = ceil(BAND / ceil(BAND / rows))  # parts of one size
        self.bands = _bands(BAND, rows, own[0], full[0], *options)
        self._columns = _columns(own[1], full[1], *options)
        self._room = logits.new_empty(rows, num_classes, full[1], dtype=wide_dtype(logits))

    def reached(self, some: Tensor) -> Tensor:
        """Which ``(N, H, W)`` pixels have a part in some of ``(N, h, w)`` logits."""
        return self._down @ some.to(self._down.dtype) @ self._across.T != 0

    def heightened(self, small: Tensor, chunks: list[Part]) -> Iterator[tuple[Part, Tensor]]:
        """The chunks of a band from ``(C, rows, w)`` logits, each until the next one.

        They are ``(rows, C, W)``: with the classes of a row side by side, a chunk is one product.
        """
        wide = small.new_empty(small.shape[1], len(small), len(self._across))
        small = small.transpose(0, 1).flatten(0, 1)
        for part, out in self._parts_of(wide):
            torch.mm(small[:, part.own], part.weights.T, out=out)
        for part in chunks:
            x = self._room[: len(part.weights)]
            torch.mm(part.weights, wide[part.own].flatten(1), out=x.flatten(1))
            yield part, x

    def zeros(self, band: Part) -> Tensor:
        """``(rows, C, W)``, for the gradient of the widened rows of a band."""
        return self._room.new_zeros(band.weights.shape[1], *self._room.shape[1:])

    def narrowed(self, wide: Tensor) -> Tensor:
        """``(C, rows, w)`` gradient of logits from the ``(rows, C, W)`` one after widening them."""
        small = wide.new_zeros(*wide.shape[:2], self._across.shape[1])
        flat = small.flatten(0, 1)
        for part, values in self._parts_of(wide):
            flat[:, part.own].addmm_(values, part.weights)
        return small.transpose(0, 1)

    def _parts_of(self, wide: Tensor) -> Iterator[tuple[Part, Tensor]]:
        """The parts of the columns, each with its ``(rows * C, full)`` view of the wide rows."""
        sizes = [len(part.weights) for part in self._columns]
        return zip(self._columns, wide.flatten(0, 1).split(sizes, 1), strict=True)  # type: ignore[no-untyped-call]


@lru_cache(maxsize=16)
def _weights(own: int, full: int, align_corners: bool, dtype: torch.dtype) -> Tensor:
    """``(full, own)`` weights of the interpolation along an axis."""
    ones = torch.eye(own, dtype=dtype, device="cpu")
    parts = F.interpolate(
        ones.view(1, own, own, 1), (full, 1), mode="bilinear", align_corners=align_corners
    )
    return parts.view(own, full).T


def _parts(weights: Tensor, size: int) -> Iterator[Part]:
    """Parts of at most so many rows or columns, from the ``(full, own)`` weights of all."""
    used = weights != 0
    first = used.int().argmax(1).tolist()
    end = (used.shape[1] - used.flip(1).int().argmax(1)).tolist()
    stop = 0
    while stop < len(weights):
        start, stop = stop, min(stop + size, len(weights))
        # where the next ones lie between others, if that is on the way, so that fewer are needed
        cuts = (at for at in range(stop, start, -1) if [first[at - 1]] != first[at : at + 1])
        stop = next(cuts, stop)
        own = slice(first[start], end[stop - 1])
        yield Part(slice(start, stop), own, weights[start:stop, own])


@lru_cache(maxsize=16)  # of every step the same
def _columns(own: int, full: int, *options: Any) -> list[Part]:
    """Parts of ``full`` columns of labels, over ``own`` columns of logits."""
    size = ceil(COLUMNS * full / max(1, own))
    return list(_parts(_weights(own, full, *options), max(1, size)))


@lru_cache(maxsize=16)
def _bands(size: int, step: int, *options: Any) -> list[Band]:
    """Bands of ``size`` rows of labels, in chunks of ``step``."""
    return [(band, list(_parts(band.weights, step))) for band in _parts(_weights(*options), size)]
