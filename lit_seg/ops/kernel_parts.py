"""What the Triton kernels have in common: labels, sums of each class, and their totals."""

import torch
import triton
import triton.language as tl
from torch import Tensor

TOTAL_PROGRAMS = 4096
"""Programs whose sums are added up at a time."""


@triton.jit
def sum_classes(label, nll, hits, nll_ptr, counts_ptr, block, blocks, C: tl.constexpr):
    """Write a program's sum of ``nll`` and counts of each class that it holds; C is void.

    A count is the pixels plus 65536 times the hits: less to write, and less to add up.
    """
    left = label
    c = tl.min(left, 0)
    while c < C:  # a block of a label map holds few classes
        mine = left == c
        at = c.to(tl.int64) * blocks + block
        tl.store(nll_ptr + at, tl.sum(tl.where(mine, nll, 0.0), 0))
        tl.store(counts_ptr + at, tl.sum(tl.where(mine, 1 + 65536 * hits, 0), 0))
        left = tl.where(mine, C, left)
        c = tl.min(left, 0)


@triton.jit
def count_classes(label, counts_ptr, block, blocks, C: tl.constexpr):
    """Write how often each class occurs among a program's class ids; C is void."""
    left = label
    c = tl.min(left, 0)
    while c < C:
        mine = left == c
        tl.store(counts_ptr + c.to(tl.int64) * blocks + block, tl.sum(mine.to(tl.int32), 0))
        left = tl.where(mine, C, left)
        c = tl.min(left, 0)


@triton.jit
def labels_of(target_ptr, pixel, inside, C: tl.constexpr):
    """The class ids of pixels as int32, C where they are void."""
    target = tl.load(target_ptr + pixel, mask=inside, other=-1)
    return tl.where((target >= 0) & (target < C), target, C).to(tl.int32)


@triton.jit
def margins_of(margin_ptr, label, C: tl.constexpr):
    """What the own logits of pixels are lowered by."""
    return tl.load(margin_ptr + label, mask=label < C, other=0.0).to(tl.float32)


@triton.jit
def next_class(x, c, best, exps, predicted):
    """The largest logit, the sum of exp(logit - largest) and the class of the largest, with x."""
    # one exponential whether or not this logit is the largest so far
    more = x - best
    exp = tl.exp2(tl.abs(more) * -1.4426950408889634)
    larger = more > 0
    exps = tl.where(larger, exps * exp + 1, exps + exp)
    return tl.where(larger, x, best), exps, tl.where(larger, c, predicted)


@triton.jit
def factors_of(
    by_class_ptr, by_pixel_ptr, label, pixel,
    C: tl.constexpr, BY_CLASS: tl.constexpr, BY_PIXEL: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The gradient with respect to the -log p of pixels, 0 where they are void."""
    factor = tl.zeros([BLOCK], tl.float32)
    if BY_CLASS:
        factor += tl.load(by_class_ptr + label, mask=label < C, other=0.0).to(tl.float32)
    if BY_PIXEL:
        factor += tl.load(by_pixel_ptr + pixel, mask=label < C, other=0.0)
    return factor


@triton.jit
def totals(
    nll_ptr, counts_ptr, predicted_ptr, sums_ptr, totals_ptr, blocks,
    C: tl.constexpr, PREDICTIONS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Add up what the programs have written of one class."""
    c = tl.program_id(0)
    start = c.to(tl.int64) * blocks
    nll = tl.zeros([BLOCK], tl.float64)
    hits = tl.zeros([BLOCK], tl.int64)
    support = tl.zeros([BLOCK], tl.int64)
    predicted = tl.zeros([BLOCK], tl.int64)
    for first in range(0, blocks, BLOCK):
        b = first + tl.arange(0, BLOCK)
        inside = b < blocks
        nll += tl.load(nll_ptr + start + b, mask=inside, other=0.0).to(tl.float64)
        count = tl.load(counts_ptr + start + b, mask=inside, other=0)
        hits += count >> 16
        support += count & 65535
        if PREDICTIONS:
            predicted += tl.load(predicted_ptr + start + b, mask=inside, other=0)
    tl.store(sums_ptr + c, tl.sum(nll, 0))
    tl.store(totals_ptr + c, tl.sum(hits, 0))
    tl.store(totals_ptr + C + c, tl.sum(support, 0))
    if PREDICTIONS:
        tl.store(totals_ptr + 2 * C + c, tl.sum(predicted, 0))


class Parts:
    """What programs write of their pixels, class by class, and the sum of it.

    Args:
        target: whose device is used.
        num_classes: C.
        predictions: whether predictions are counted.
        programs: how many there are.
    """

    def __init__(self, target: Tensor, num_classes: int, predictions: bool, programs: int) -> None:
        self.constants = num_classes, predictions
        self.programs = programs
        self.sums = target.new_empty(num_classes, dtype=torch.double)
        self.counts = target.new_empty(3 if predictions else 2, num_classes)
        # zeros of integers are zeros of floats, too
        shape = len(self.counts), num_classes, programs
        rows = target.new_zeros(shape, dtype=torch.int32)
        self.rows = rows[0].view(torch.float), rows[1], rows[-1]
        """-log p, counts and predictions, each ``(C, programs)``."""

    def total(self) -> tuple[Tensor, Tensor]:
        """``(C,)`` float64 sums of -log p and ``(2 or 3, C)`` int64 counts."""
        totals[(len(self.sums),)](
            *(*self.rows, self.sums, self.counts, self.programs, *self.constants),
            **{"BLOCK": TOTAL_PROGRAMS, "num_warps": 8},
        )
        return self.sums, self.counts
