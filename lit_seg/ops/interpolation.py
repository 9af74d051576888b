"""Bilinear interpolation of parts of an image that stay in the cache.

The few rows of logits that a band of rows of the labels lies between are widened once, by matrix
products, and then heightened to some of these rows at a time; the gradient goes the way back.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby
from math import ceil
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_seg.ops.precision import wide_dtype

LEAST_BAND, MOST_BAND = 64, 128
"""Rows of the labels that are interpolated together; at the ends of an image they may be more."""
ROWS = 16
"""Rows of logits for a band: of more it takes more memory, of fewer there are more operations."""
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


class Run(NamedTuple):
    """Some rows of the labels, of which the same number lies between each two rows of logits.

    Attributes:
        full: which ones.
        above: the row of logits above each such group of rows.
        below: the row of logits below it.
        share: ``(groups, rows, 1)`` of the row below.
    """

    full: slice
    above: slice
    below: slice
    share: Tensor


Chunk = tuple[Part, list[Run]]
"""Some rows of a band of the labels, and the runs in it. Rows of logits count from the band's."""
Band = tuple[Part, list[Chunk]]
"""Some rows of the labels, and its chunks."""


class Interpolation:
    """The interpolation of ``(N, C, h, w)`` logits to labels of another size.

    Args:
        logits: whose shape and dtype are used.
        target: ``(N, H, W)``.
        align_corners: as in ``F.interpolate``.
        chunk_bytes: of the interpolated logits of a chunk.

    Attributes:
        bands: of an image.
        longest: rows of the labels in a band, at most.
    """

    def __init__(
        self, logits: Tensor, target: Tensor, align_corners: bool, chunk_bytes: int
    ) -> None:
        (_, num_classes, *own), full = logits.shape, target.shape[1:]
        options = align_corners, wide_dtype(logits)
        self._down, self._across = (
            _weights(*sizes, *options) for sizes in zip(own, full, strict=True)
        )
        band = min(MOST_BAND, max(LEAST_BAND, ceil(ROWS * full[0] / own[0])))
        rows = max(1, chunk_bytes // (4 * num_classes * full[1]))
        rows = ceil(band / ceil(band / rows))  # parts of one size
        self.bands = _bands(band, rows, own[0], full[0], *options)
        self._columns = _columns(own[1], full[1], *options)
        self.longest = max(len(band.weights) for band, _ in self.bands)
        rows = max(len(part.weights) for _, chunks in self.bands for part, _ in chunks)
        self._room = logits.new_empty(rows, num_classes, full[1], dtype=wide_dtype(logits))

    def reached(self, some: Tensor) -> Tensor:
        """Which ``(N, H, W)`` pixels have a part in some of ``(N, h, w)`` logits."""
        return self._down @ some.to(self._down.dtype) @ self._across.T != 0

    def heightened(self, small: Tensor, chunks: list[Chunk]) -> Iterator[tuple[Part, Tensor]]:
        """The chunks of a band from ``(C, rows, w)`` logits, each until the next one.

        They are ``(rows, C, W)``: with the classes of a row side by side, a run is one operation,
        and where the labels are a whole number of times as large, a chunk is one or two runs.
        """
        wide = small.new_empty(small.shape[1], len(small), len(self._across))
        small = small.transpose(0, 1).flatten(0, 1)
        for part, out in self._parts_of(wide):
            torch.mm(small[:, part.own], part.weights.T, out=out)
        wide = wide.flatten(1).unsqueeze(1)
        room = self._room.flatten(1)
        for part, runs in chunks:
            for run in runs:
                out = room[run.full].view(*run.share.shape[:2], room.shape[1])
                torch.lerp(wide[run.above], wide[run.below], run.share, out=out)
            yield part, self._room[: len(part.weights)]

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
    return list(_parts(_weights(own, full, *options), ceil(COLUMNS * full / own)))


@lru_cache(maxsize=16)
def _bands(size: int, step: int, own: int, full: int, *options: Any) -> list[Band]:
    """Bands of about ``size`` rows of labels, in chunks of at most ``step``."""
    # unless corners are aligned, an image begins with half a group of neighbouring rows
    half = ceil(full / own / 2)
    return [
        (band, [(part, list(_runs(part))) for part in _parts(band.weights, step)])
        for band in _parts(_weights(own, full, *options), size + half)
    ]


def _runs(part: Part) -> Iterator[Run]:
    """The runs of a part: their rows count from its first, those of logits as the part's own."""
    last = part.weights.shape[1] - 1
    second = min(1, last)  # a single row is above and below
    firsts = (part.weights != 0).int().argmax(1).clamp(max=max(0, last - 1))
    share = part.weights.gather(1, (firsts + second).unsqueeze(1))
    groups = [(first, len(list(rows))) for first, rows in groupby(firsts.tolist())]
    stop = 0
    while groups:
        (first, rows), number = groups[0], 1
        while groups[number : number + 1] == [(first + number, rows)]:
            number += 1
        groups = groups[number:]
        start, stop = stop, stop + number * rows
        above = part.own.start + first
        yield Run(
            slice(start, stop),
            slice(above, above + number),
            slice(above + second, above + second + number),
            share[start:stop].view(number, rows, 1),
        )
