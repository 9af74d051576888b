"""Sums and counts per class by Triton kernels, for CUDA.

Pixels lie along the lanes of a program, which reads their logits class by class; only where the
many classes of a pixel lie side by side (channels last) it reads whole pixels. Each program writes
its own sums of each class, which a last kernel adds up in a fixed order: adding numbers with atomic
operations would give other last bits in every call.
"""

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

PIXELS = {"forward": 128, "backward": 128}
"""Pixels of a program that reads class by class; for 256 one warp has too few registers."""
ROW_PIXELS = 64
"""Pixels of a program with channels last: few, so that the cache keeps the logits beside one."""
WARPS = {"forward": 1, "backward": 1}
"""Warps of these programs: with one, the sums of a class need not wait for other warps."""
UNROLL = {"forward": 8, "backward": 4}
"""Classes whose logits are on their way from memory at a time."""
FEW_CLASSES = 64
"""Up to so many classes, the forward pass reads class by class with channels last, too."""
LOGITS = 2048
"""Logits of a program that reads whole pixels."""
SUM_PIXELS = 1024
"""Pixels whose sums of each class are made by one program, where that is done apart."""


@triton.jit
def _forward_by_class(
    logits_ptr, target_ptr, margin_ptr, lse_ptr, pixel_ptr, nll_ptr, counts_ptr, predicted_ptr,
    pixels, blocks_of_image, blocks,
    C: tl.constexpr, MARGIN: tl.constexpr, PREDICTIONS: tl.constexpr, PIXELS: tl.constexpr,
    ROWS: tl.constexpr, BLOCK: tl.constexpr, UNROLL: tl.constexpr,
):  # fmt: skip
    """Logits ``(N, C, pixels)``, or with ROWS ``(pixels, C)``: all that forward gives."""
    block = tl.program_id(0)
    # wide numbers for the block as a whole, as logits may be more than 2^31; narrow ones in it
    image = (block // blocks_of_image).to(tl.int64)
    first = (block % blocks_of_image).to(tl.int64) * BLOCK
    plane = tl.cast(pixels, tl.int64)
    p = tl.arange(0, BLOCK)
    inside = p < plane - first
    pixel = image * plane + first
    label = labels_of(target_ptr + pixel, p, inside, C)
    if ROWS:
        block_ptr = logits_ptr + first * C
        at = p * C
        step: tl.constexpr = 1
    else:
        block_ptr = logits_ptr + image * C * plane + first
        at = p
        step = plane
    best = tl.full([BLOCK], -3.4028234e38, tl.float32)
    exps = tl.zeros([BLOCK], tl.float32)
    predicted = tl.zeros([BLOCK], tl.int32)
    if MARGIN:
        margin = margins_of(margin_ptr, label, C)
    for c in tl.range(0, C, loop_unroll_factor=UNROLL):
        x = tl.load(block_ptr + c * step + at, mask=inside, other=0.0).to(tl.float32)
        if MARGIN:
            x -= tl.where(label == c, margin, 0.0)
        best, exps, predicted = next_class(x, c, best, exps, predicted)
    own = tl.load(block_ptr + label * step + at, mask=label < C, other=0.0).to(tl.float32)
    if MARGIN:
        own -= margin
    log = tl.log(exps)
    nll = log + (best - own)
    tl.store(lse_ptr + pixel + p, best + log, mask=inside)
    if PIXELS:
        tl.store(pixel_ptr + pixel + p, tl.where(label < C, nll, 0.0), mask=inside)
    hits = (predicted == label).to(tl.int32)
    sum_classes(label, nll, hits, nll_ptr, counts_ptr, block, blocks, C)
    if PREDICTIONS:
        predicted = tl.where(label < C, predicted, C)
        count_classes(predicted, predicted_ptr, block, blocks, C)


@triton.jit
def _forward_by_pixel(
    logits_ptr, target_ptr, margin_ptr, lse_ptr, pixel_ptr, signed_ptr, predictions_ptr, pixels,
    C: tl.constexpr, MARGIN: tl.constexpr, PREDICTIONS: tl.constexpr, PIXELS: tl.constexpr,
    BLOCK: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    """Logits ``(pixels, C)``: -log p, negative where the pixel is missed, and the predictions."""
    p = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = p < pixels
    label = labels_of(target_ptr, p, inside, C)
    c = tl.arange(0, WIDTH)[None, :]
    there = inside[:, None] & (c < C)
    x = tl.load(logits_ptr + p[:, None] * C + c, mask=there, other=-float("inf")).to(tl.float32)
    own = tl.load(logits_ptr + p * C + label, mask=label < C, other=0.0).to(tl.float32)
    if MARGIN:
        margin = margins_of(margin_ptr, label, C)
        x -= tl.where(label[:, None] == c, margin[:, None], 0.0)
        own -= margin
    best = tl.max(x, 1)
    exps = tl.sum(tl.exp(x - best[:, None]), 1)
    # pads stand behind the classes, and a pixel whose logits are NaN is predicted as none
    predicted = tl.min(tl.where(x == best[:, None], c, WIDTH), 1)
    log = tl.log(exps)
    nll = log + (best - own)
    tl.store(lse_ptr + p, best + log, mask=inside)
    if PIXELS:
        tl.store(pixel_ptr + p, tl.where(label < C, nll, 0.0), mask=inside)
    tl.store(signed_ptr + p, tl.where(predicted == label, nll, -nll), mask=inside)
    if PREDICTIONS:
        tl.store(predictions_ptr + p, predicted, mask=inside)


@triton.jit
def _sum_pixels(
    target_ptr, signed_ptr, predictions_ptr, nll_ptr, counts_ptr, predicted_ptr, pixels, blocks,
    C: tl.constexpr, PREDICTIONS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """From what :func:`_forward_by_pixel` has written to sums of each class."""
    block = tl.program_id(0)
    p = block.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = p < pixels
    label = labels_of(target_ptr, p, inside, C)
    signed = tl.load(signed_ptr + p, mask=inside, other=0.0)
    # the -log p of a missed pixel is at least log 2, so its sign is known
    hits = (signed >= 0).to(tl.int32)
    sum_classes(label, tl.abs(signed), hits, nll_ptr, counts_ptr, block, blocks, C)
    if PREDICTIONS:
        predicted = tl.load(predictions_ptr + p, mask=inside, other=C)
        predicted = tl.where((label < C) & (predicted < C), predicted, C)
        count_classes(predicted, predicted_ptr, block, blocks, C)


@triton.jit
def _backward_by_class(
    by_class_ptr, by_pixel_ptr, logits_ptr, target_ptr, margin_ptr, lse_ptr, result_ptr,
    pixels, blocks_of_image,
    C: tl.constexpr, MARGIN: tl.constexpr, BY_CLASS: tl.constexpr, BY_PIXEL: tl.constexpr,
    BLOCK: tl.constexpr, UNROLL: tl.constexpr,
):  # fmt: skip
    block = tl.program_id(0)
    image = (block // blocks_of_image).to(tl.int64)
    first = (block % blocks_of_image).to(tl.int64) * BLOCK
    plane = tl.cast(pixels, tl.int64)
    p = tl.arange(0, BLOCK)
    inside = p < plane - first
    pixel = image * plane + first
    label = labels_of(target_ptr + pixel, p, inside, C)
    valid = label < C
    lse = tl.load(lse_ptr + pixel + p, mask=inside, other=0.0)
    by_pixel_ptr += pixel
    factor = factors_of(by_class_ptr, by_pixel_ptr, label, p, C, BY_CLASS, BY_PIXEL, BLOCK)
    start = image * C * plane + first
    if MARGIN:
        margin = margins_of(margin_ptr, label, C)
    for c in tl.range(0, C, loop_unroll_factor=UNROLL):
        x = tl.load(logits_ptr + start + c * plane + p, mask=inside, other=0.0).to(tl.float32)
        if MARGIN:
            x -= tl.where(label == c, margin, 0.0)
        slope = (tl.exp(x - lse) - tl.where(label == c, 1.0, 0.0)) * factor
        # a void pixel may hold NaN
        slope = tl.where(valid, slope, 0.0).to(result_ptr.dtype.element_ty)
        tl.store(result_ptr + start + c * plane + p, slope, mask=inside)


@triton.jit
def _backward_by_pixel(
    by_class_ptr, by_pixel_ptr, logits_ptr, target_ptr, margin_ptr, lse_ptr, result_ptr,
    pixels,
    C: tl.constexpr, MARGIN: tl.constexpr, BY_CLASS: tl.constexpr, BY_PIXEL: tl.constexpr,
    BLOCK: tl.constexpr, WIDTH: tl.constexpr,
):  # fmt: skip
    p = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = p < pixels
    label = labels_of(target_ptr, p, inside, C)
    valid = label < C
    lse = tl.load(lse_ptr + p, mask=inside, other=0.0)
    factor = factors_of(by_class_ptr, by_pixel_ptr, label, p, C, BY_CLASS, BY_PIXEL, BLOCK)
    c = tl.arange(0, WIDTH)[None, :]
    at = p[:, None] * C + c
    there = inside[:, None] & (c < C)
    x = tl.load(logits_ptr + at, mask=there, other=0.0).to(tl.float32)
    if MARGIN:
        margin = margins_of(margin_ptr, label, C)
        x -= tl.where(label[:, None] == c, margin[:, None], 0.0)
    slope = tl.exp(x - lse[:, None]) - tl.where(label[:, None] == c, 1.0, 0.0)
    slope = tl.where(valid[:, None], slope * factor[:, None], 0.0)
    tl.store(result_ptr + at, slope.to(result_ptr.dtype.element_ty), mask=there)


def forward(
    logits: Tensor, target: Tensor, margin: Tensor | None, predictions: bool, pixels: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As :func:`lit_seg.ops.chunked.forward`."""
    num_classes = logits.shape[1]
    images, size, rows = _layout(logits)
    whole = rows and num_classes > FEW_CLASSES
    block = SUM_PIXELS if whole else ROW_PIXELS if rows else PIXELS["forward"]
    block = min(block, triton.next_power_of_2(max(1, size)))
    blocks_of_image = triton.cdiv(size, block)
    blocks = images * blocks_of_image
    nll, lse = empty_pixels(logits, target, pixels)
    parts = Parts(target, num_classes, predictions, blocks)
    tensors = logits, target, lse if margin is None else margin, lse, nll
    constants = num_classes, margin is not None, predictions, pixels
    with torch.cuda.device_of(logits):
        if whole and blocks:
            signed = torch.empty_like(lse)
            predicted = torch.empty_like(lse, dtype=torch.int32) if predictions else lse
            at_once, options = _whole_pixels(num_classes)
            _forward_by_pixel[(triton.cdiv(size, at_once),)](
                *tensors, signed, predicted, size, *constants, **options
            )
            _sum_pixels[(blocks,)](
                *(target, signed, predicted, *parts.rows, size, blocks, num_classes, predictions),
                BLOCK=block,
            )
        elif blocks:
            _forward_by_class[(blocks,)](
                *(*tensors, *parts.rows, size, blocks_of_image, blocks, *constants, rows),
                **{"BLOCK": block, "UNROLL": UNROLL["forward"], "num_warps": WARPS["forward"]},
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
) -> Tensor:
    """As :func:`lit_seg.ops.chunked.backward`."""
    num_classes = logits.shape[1]
    result = torch.empty_like(logits)
    if not result.numel():
        return result
    images, size, rows = _layout(logits)
    given = by_class, by_pixel, margin
    *factors, lowered = (lse if each is None else each.contiguous() for each in given)
    tensors = *factors, logits, target, lowered, lse, result
    constants = num_classes, *(each is not None for each in (margin, by_class, by_pixel))
    with torch.cuda.device_of(logits):
        if rows:
            at_once, options = _whole_pixels(num_classes)
            _backward_by_pixel[(triton.cdiv(size, at_once),)](*tensors, size, *constants, **options)
        else:
            block = min(PIXELS["backward"], triton.next_power_of_2(size))
            blocks_of_image = triton.cdiv(size, block)
            _backward_by_class[(images * blocks_of_image,)](
                *(*tensors, size, blocks_of_image, *constants),
                **{"BLOCK": block, "UNROLL": UNROLL["backward"], "num_warps": WARPS["backward"]},
            )
    return result


def _layout(logits: Tensor) -> tuple[int, int, bool]:
    """Images, pixels of each, and whether classes lie side by side; then all are one image."""
    images, num_classes = logits.shape[:2]
    pixels = logits.numel() // max(1, images * num_classes)
    if logits.is_contiguous() and pixels > 1:
        return images, pixels, False
    return 1, images * pixels, True


def _whole_pixels(num_classes: int) -> tuple[int, dict[str, int]]:
    """Pixels of a program that reads whole pixels, and the options of its launch."""
    width = triton.next_power_of_2(num_classes)
    size = max(1, LOGITS // width)
    warps = min(32, max(4, width // 512))
    return size, {"BLOCK": size, "WIDTH": width, "num_warps": warps}
