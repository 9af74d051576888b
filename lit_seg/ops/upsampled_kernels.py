"""Sums and counts per class of logits smaller than the labels, by Triton kernels, for CUDA.

The logits are interpolated where they are read, so those of full size are never in memory. In
backward, each small logit gathers from the pixels that it has a part in: no atomic additions, so
the same bits in every call, which PyTorch's own upsampling does not give.
"""

from math import ceil

import torch
import triton
import triton.language as tl
from torch import Tensor

from lit_seg.ops.chunked import empty_pixels
from lit_seg.ops.kernel_parts import (
    Parts,
    count_classes,
    factors_of,
    labels_of,
    margins_of,
    next_class,
    sum_classes,
)

PIXELS = 64
"""Pixels of a row of the labels that a program of the forward pass reads."""
UNROLL = 2
"""Classes that it reads at a time, four logits of each."""
COLUMNS = 32
"""Logits of a row whose gradient a program makes."""
CLASSES = 4
"""Classes for which it does so at a time."""


@triton.jit
def _source(at, scale, size, ALIGN: tl.constexpr):
    """The two indices that a pixel lies between, and its distance from the first."""
    at = at.to(tl.float32)
    place = at * scale if ALIGN else tl.maximum((at + 0.5) * scale - 0.5, 0.0)
    low = tl.minimum(place.to(tl.int32), size - 1)
    return low, tl.minimum(low + 1, size - 1), place - low


@triton.jit
def _first_pixel(index, per_index, ALIGN: tl.constexpr):
    """A pixel before which the logit ``index`` has no part in any."""
    index = index.to(tl.float32)
    place = (index - 1) * per_index if ALIGN else (index - 0.5) * per_index - 0.5
    return tl.maximum(tl.floor(place).to(tl.int32), 0)


@triton.jit
def _part(index, low, high, distance):
    """The weight of the logit ``index`` in a pixel that lies between ``low`` and ``high``."""
    return tl.where(low == index, 1 - distance, 0.0) + tl.where(high == index, distance, 0.0)


@triton.jit
def _between(low, high, distance):
    return (1 - distance) * low + distance * high


@triton.jit
def _logit(row_ptr, below_ptr, left, right, down, across):
    """Logits of pixels between two rows: vertical first, as in backward."""
    first = _between(
        tl.load(row_ptr + left).to(tl.float32), tl.load(below_ptr + left).to(tl.float32), down
    )
    second = _between(
        tl.load(row_ptr + right).to(tl.float32), tl.load(below_ptr + right).to(tl.float32), down
    )
    return _between(first, second, across)


@triton.jit
def _forward(
    logits_ptr, target_ptr, margin_ptr, lse_ptr, pixel_ptr, nll_ptr, counts_ptr, predicted_ptr,
    of_image, of_class, of_row, of_column, height, width, full_height, full_width,
    scale_down, scale_across, blocks_of_row, blocks,
    C: tl.constexpr, MARGIN: tl.constexpr, PREDICTIONS: tl.constexpr, EACH: tl.constexpr,
    ALIGN: tl.constexpr, BLOCK: tl.constexpr, UNROLL: tl.constexpr,
):  # fmt: skip
    block = tl.program_id(0)
    row = block // blocks_of_row
    image = (row // full_height).to(tl.int64)
    x = (block % blocks_of_row) * BLOCK + tl.arange(0, BLOCK)
    inside = x < full_width
    pixel = row.to(tl.int64) * full_width
    label = labels_of(target_ptr + pixel, x, inside, C)
    top, bottom, down = _source(row % full_height, scale_down, height, ALIGN)
    left, right, across = _source(x, scale_across, width, ALIGN)
    left *= of_column
    right *= of_column
    top_ptr = logits_ptr + image * of_image + top.to(tl.int64) * of_row
    bottom_ptr = logits_ptr + image * of_image + bottom.to(tl.int64) * of_row
    step = tl.cast(of_class, tl.int64)
    best = tl.full([BLOCK], -3.4028234e38, tl.float32)
    exps = tl.zeros([BLOCK], tl.float32)
    predicted = tl.zeros([BLOCK], tl.int32)
    if MARGIN:
        margin = margins_of(margin_ptr, label, C)
    for c in tl.range(0, C, loop_unroll_factor=UNROLL):
        v = _logit(top_ptr + c * step, bottom_ptr + c * step, left, right, down, across)
        if MARGIN:
            v -= tl.where(label == c, margin, 0.0)
        best, exps, predicted = next_class(v, c, best, exps, predicted)
    own = tl.where(label < C, label, 0) * step
    own = _logit(top_ptr, bottom_ptr, own + left, own + right, down, across)
    if MARGIN:
        own -= margin
    log = tl.log(exps)
    nll = log + (best - own)
    tl.store(lse_ptr + pixel + x, best + log, mask=inside)
    if EACH:
        tl.store(pixel_ptr + pixel + x, tl.where(label < C, nll, 0.0), mask=inside)
    hits = (predicted == label).to(tl.int32)
    sum_classes(label, nll, hits, nll_ptr, counts_ptr, block, blocks, C)
    if PREDICTIONS:
        predicted = tl.where(label < C, predicted, C)
        count_classes(predicted, predicted_ptr, block, blocks, C)


@triton.jit
def _column(top_ptr, bottom_ptr, at, there, down):
    """Logits of a column between two rows, for several classes: ``(classes, columns)``."""
    top = tl.load(top_ptr + at, mask=there, other=0.0).to(tl.float32)
    bottom = tl.load(bottom_ptr + at, mask=there, other=0.0).to(tl.float32)
    return _between(top, bottom, down)


@triton.jit
def _backward(
    by_class_ptr, by_pixel_ptr, logits_ptr, target_ptr, margin_ptr, lse_ptr, result_ptr,
    of_image, of_class, of_row, of_column, height, width, full_height, full_width,
    scale_down, scale_across, per_row, per_column, reach_down, reach_across, blocks_of_row,
    C: tl.constexpr, MARGIN: tl.constexpr, BY_CLASS: tl.constexpr, BY_PIXEL: tl.constexpr,
    ALIGN: tl.constexpr, BLOCK: tl.constexpr, CLASSES: tl.constexpr,
):  # fmt: skip
    block = tl.program_id(0)
    row = block // blocks_of_row
    image = (row // height).to(tl.int64)
    i = row % height
    j = (block % blocks_of_row) * BLOCK + tl.arange(0, BLOCK)
    c = tl.program_id(1) * CLASSES + tl.arange(0, CLASSES)[:, None]
    there = (c < C) & (j < width)[None, :]
    at = c * tl.cast(of_class, tl.int64)
    before = at + (tl.maximum(j - 1, 0) * of_column)[None, :]
    after = at + (tl.minimum(j + 1, width - 1) * of_column)[None, :]
    at += (j * of_column)[None, :]
    start_ptr = logits_ptr + image * of_image
    first_y = _first_pixel(i, per_row, ALIGN)
    first_x = _first_pixel(j, per_column, ALIGN)
    slope = tl.zeros([CLASSES, BLOCK], tl.float32)
    for up in range(0, reach_down):
        y = first_y + up
        top, bottom, down = _source(y, scale_down, height, ALIGN)
        part_of_row = tl.where(y < full_height, _part(i, top, bottom, down), 0.0)
        if part_of_row > 0:
            top_ptr = start_ptr + top.to(tl.int64) * of_row
            bottom_ptr = start_ptr + bottom.to(tl.int64) * of_row
            left_v = _column(top_ptr, bottom_ptr, before, there, down)
            v = _column(top_ptr, bottom_ptr, at, there, down)
            right_v = _column(top_ptr, bottom_ptr, after, there, down)
            pixel = (image * full_height + y) * full_width
            for over in range(0, reach_across):
                x = first_x + over
                left, right, across = _source(x, scale_across, width, ALIGN)
                part = part_of_row * _part(j, left, right, across)
                inside = (x < full_width) & (j < width) & (part > 0)
                label = labels_of(target_ptr + pixel, x, inside, C)
                lse = tl.load(lse_ptr + pixel + x, mask=inside, other=0.0)
                pixel_grad_ptr = by_pixel_ptr + pixel
                factor = factors_of(
                    by_class_ptr, pixel_grad_ptr, label, x, C, BY_CLASS, BY_PIXEL, BLOCK
                )
                z = _between(
                    tl.where((left < j)[None, :], left_v, v),
                    tl.where((right > j)[None, :], right_v, v),
                    across[None, :],
                )
                if MARGIN:
                    margin = margins_of(margin_ptr, label, C)
                    z -= tl.where(label[None, :] == c, margin[None, :], 0.0)
                more = tl.exp(z - lse[None, :]) - tl.where(label[None, :] == c, 1.0, 0.0)
                # a void pixel may hold NaN
                slope += tl.where((label < C)[None, :], more * (factor * part)[None, :], 0.0)
    to_ptr = result_ptr + image * of_image + i.to(tl.int64) * of_row
    tl.store(to_ptr + at, slope.to(result_ptr.dtype.element_ty), mask=there)


def forward(
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    predictions: bool,
    pixels: bool,
    align_corners: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As :func:`lit_seg.ops.chunked.forward`, of ``(N, C, h, w)`` logits and larger labels."""
    num_classes = logits.shape[1]
    images, *full = target.shape
    block = min(PIXELS, triton.next_power_of_2(max(1, full[1])))
    blocks_of_row = triton.cdiv(full[1], block)
    nll, lse = empty_pixels(logits, target, pixels)
    parts = Parts(target, num_classes, predictions, images * full[0] * blocks_of_row)
    with torch.cuda.device_of(logits):
        if parts.programs:
            _forward[(parts.programs,)](
                *(logits, target, lse if margin is None else margin, lse, nll, *parts.rows),
                *(*logits.stride(), *logits.shape[2:], *full),
                *_scales(logits, target, align_corners),
                *(blocks_of_row, parts.programs),
                *(num_classes, margin is not None, predictions, pixels, align_corners),
                **{"BLOCK": block, "UNROLL": UNROLL, "num_warps": 1},
            )
        sums, counts = parts.total()
    return sums, counts, nll, lse


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
    images, num_classes, height, width = logits.shape
    result = torch.empty_like(logits)
    if not result.numel():
        return result
    scales = _scales(logits, target, align_corners)
    # of one row or column of logits, all pixels are parts
    per_logit = [1 / scale if scale else 0.0 for scale in scales]
    reach = [
        min(n, ceil(2 * per) + 2) if per else n
        for n, per in zip(target.shape[1:], per_logit, strict=True)
    ]
    blocks_of_row = triton.cdiv(width, COLUMNS)
    given = by_class, by_pixel, margin
    *factors, lowered = (lse if each is None else each.contiguous() for each in given)
    with torch.cuda.device_of(logits):
        _backward[(images * height * blocks_of_row, triton.cdiv(num_classes, CLASSES))](
            *(*factors, logits, target, lowered, lse, result),
            *(*logits.stride(), *logits.shape[2:], *target.shape[1:]),
            *(*scales, *per_logit, *reach, blocks_of_row),
            *(num_classes, *(each is not None for each in (margin, by_class, by_pixel))),
            align_corners,
            **{"BLOCK": COLUMNS, "CLASSES": CLASSES, "num_warps": 1},
        )
    return result


def _scales(logits: Tensor, target: Tensor, align_corners: bool) -> list[float]:
    """Rows and columns of logits for each of the labels."""
    sides = zip(logits.shape[2:], target.shape[1:], strict=True)
    if align_corners:
        return [(own - 1) / (full - 1) if full > 1 else 0.0 for own, full in sides]
    return [own / full for own, full in sides]
