"""Sums and counts per class in plain PyTorch, by chunks of pixels that stay in the cache."""

from collections.abc import Iterator, Sequence
from math import log, prod

import torch
from torch import Tensor

from lit_seg.ops.precision import wide_dtype, widest_float

CHUNK_BYTES = {"cpu": 2 << 20, "cuda": 32 << 20}
"""The logits of a chunk, in the dtype of the arithmetic; a GPU needs more at once to be busy."""
LOG2_E = 1 / log(2)
"""On the CPU torch's `exp2` takes a fifth of the time of its `exp`, which is not vectorised."""


def chunk_bytes(logits: Tensor) -> int:
    """:data:`CHUNK_BYTES` of the device of the logits."""
    return CHUNK_BYTES.get(logits.device.type, CHUNK_BYTES["cpu"])


def empty_pixels(logits: Tensor, target: Tensor, pixels: bool) -> tuple[Tensor, Tensor]:
    """Room for the -log p of each pixel, if it is wanted, and for the log-sum-exp."""
    lse = logits.new_empty(target.shape, dtype=wide_dtype(logits))
    return (torch.empty_like(lse) if pixels else lse.new_empty(0)), lse


def forward(
    logits: Tensor, target: Tensor, margin: Tensor | None, predictions: bool, pixels: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All that one pass over the logits gives; they are contiguous or channels last.

    Args:
        logits: ``(N, C, *)``.
        target: ``(N, *)`` int64, contiguous.
        margin: ``(C,)`` what the logit of a pixel's own class is lowered by; None stands for 0.
        predictions: whether the third row of counts is wanted.
        pixels: whether the -log p of each pixel is wanted.

    Returns:
        ``(C,)`` float64 sums of -log p, ``(2 or 3, C)`` int64 counts, ``(N, *)`` -log p or nothing,
        and ``(N, *)`` log-sum-exp, which has no meaning where a pixel is void.
    """
    totals = Totals(logits, target, margin, predictions)
    all_nll, lse = empty_pixels(logits, target, pixels)
    tensors = [flat(logits), *map(flat_pixels, (target, lse, all_nll if pixels else lse))]
    for x, label, to_lse, to_nll in _chunks(*tensors):
        totals.add(x.to(lse.dtype), label, to_lse, to_nll if pixels else None)
    return totals.sums, totals.counts, all_nll, lse


class Room:
    """Memory in the dtype of the arithmetic, the same for each chunk: fresh memory takes time."""

    def __init__(self, logits: Tensor) -> None:
        self._memory = logits.new_empty(0, dtype=wide_dtype(logits))

    def of(self, shape: Sequence[int]) -> Tensor:
        """A tensor of this shape, whose values are anything."""
        if self._memory.numel() < prod(shape):
            self._memory = self._memory.new_empty(prod(shape))
        return self._memory[: prod(shape)].view(*shape)


class Totals:
    """The sums and counts of each class, to which chunks of pixels are added.

    Args:
        logits: whose channels are the classes.
        target: whose device is used.
        margin: as in :func:`forward`, as is ``predictions``.
        predictions: whether the third row of counts is wanted.
    """

    def __init__(
        self, logits: Tensor, target: Tensor, margin: Tensor | None, predictions: bool
    ) -> None:
        self.sums = logits.new_zeros(logits.shape[1], dtype=widest_float(logits.device))
        self.counts = target.new_zeros(3 if predictions else 2, logits.shape[1])
        self.margin = None if margin is None else with_void(margin.to(wide_dtype(logits)))
        self._room = Room(logits)

    def add(self, x: Tensor, label: Tensor, lse: Tensor, nll: Tensor | None) -> None:
        """Add a chunk, and write its log-sum-exp and, if it is wanted, its -log p.

        Args:
            x: ``(N, C, P)`` logits in the dtype of the arithmetic.
            label: ``(N, P)`` class ids.
            lse: ``(N, P)`` to write to.
            nll: ``(N, P)`` to write to, or None.
        """
        num_classes = len(self.sums)
        valid, bins, own_class = classes(label, num_classes)
        if self.margin is not None:
            x = x.scatter_add(1, own_class, -self.margin.take(bins).unsqueeze(1))
        top = x.amax(1, keepdim=True)
        own = x.gather(1, own_class).squeeze(1)
        exps = torch.sub(x, top, out=self._room.of(x.shape)).mul_(LOG2_E).exp2_()
        top = top.squeeze(1)
        log = exps.sum(1).log_()
        torch.add(log, top, out=lse)
        losses = log.add_(top - own)
        if nll is not None:
            nll.copy_(losses.where(valid, 0))
        if x.is_cuda:
            predicted = x.argmax(1)
            hits = predicted == bins
        else:
            best = exps.ge_(1)  # of a logit that is almost the largest, too
            unsure = (best.sum(1) != 1) & valid
            if len(self.counts) > 2:
                ids = torch.arange(num_classes, dtype=x.dtype).unsqueeze(1)
                predicted = best.mul_(ids).sum(1).long()
                for at in _any(unsure):
                    predicted[at] = largest(x, at)
                hits = (predicted == bins) & valid
            else:  # no other prediction than the true class matters
                hits = (own >= top) & valid
                for at in _any(hits & unsure):
                    hits[at] = largest(x, at) == bins[at]
        self.count(bins, losses, hits, predicted if len(self.counts) > 2 else None)

    def count(
        self, bins: Tensor, losses: Tensor, hits: Tensor, predicted: Tensor | None = None
    ) -> None:
        """Add pixels, by their class ids with C for void, -log p, hits and predictions."""
        num_classes = len(self.sums)
        self.sums += _sum(bins, losses, num_classes)
        found = _count((2 * bins).add_(hits), 2 * num_classes + 1)[:-1].view(-1, 2)
        self.counts[0] += found[:, 1]
        self.counts[1] += found.sum(1)
        if predicted is not None:
            self.counts[2] += _count(predicted.where(bins < num_classes, num_classes), num_classes)


def backward(
    by_class: Tensor | None,
    by_pixel: Tensor | None,
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    lse: Tensor,
) -> Tensor:
    """The gradient with respect to the logits.

    Args:
        by_class: ``(C,)`` gradient of the sums; None stands for 0.
        by_pixel: ``(N, *)`` gradient of the -log p of each pixel; None stands for 0.
        logits: as in forward, as all that follows.
        target: ``(N, *)``.
        margin: ``(C,)`` or None.
        lse: ``(N, *)`` log-sum-exp.
    """
    result = torch.empty_like(logits)
    slopes = Slopes(by_class, margin, logits)
    by_pixel = None if by_pixel is None else by_pixel.contiguous()
    pixels = map(flat_pixels, (target, lse, lse if by_pixel is None else by_pixel))
    for x, out, label, norm, own in _chunks(flat(logits), flat(result), *pixels):
        wide = out if out.dtype == lse.dtype else torch.empty_like(out, dtype=lse.dtype)
        slopes.write(x, wide, label, norm, None if by_pixel is None else own)
        if wide is not out:
            out.copy_(wide)
    return result


class Slopes:
    """The gradient with respect to chunks of logits.

    Args:
        by_class: ``(C,)`` gradient of the sums; None stands for 0.
        margin: ``(C,)`` or None.
        logits: ``(N, C, *)``.
    """

    def __init__(self, by_class: Tensor | None, margin: Tensor | None, logits: Tensor) -> None:
        self.num_classes = logits.shape[1]
        wide = wide_dtype(logits)
        zeros = logits.new_zeros(self.num_classes, dtype=wide)
        self.factors = with_void(zeros if by_class is None else by_class.to(wide))
        self.margin = None if margin is None else with_void(margin.to(wide))

    def factor(self, bins: Tensor, by_pixel: Tensor | None) -> Tensor:
        """What the gradient of the -log p of pixels is multiplied by, 0 where they are void."""
        factor = self.factors.index_select(0, bins.flatten()).view(bins.shape)
        if by_pixel is not None:
            factor += by_pixel.where(bins < self.num_classes, 0)
        return factor

    def write(
        self, x: Tensor, out: Tensor, label: Tensor, lse: Tensor, by_pixel: Tensor | None
    ) -> None:
        """Write the gradient with respect to a chunk of logits.

        Args:
            x: ``(N, C, P)`` logits.
            out: ``(N, C, P)`` in the dtype of the arithmetic; may be ``x``.
            label: ``(N, P)`` class ids.
            lse: ``(N, P)`` log-sum-exp.
            by_pixel: ``(N, P)`` gradient of the -log p of each pixel, or None.
        """
        valid, bins, own_class = classes(label, self.num_classes)
        factor = self.factor(bins, by_pixel)
        torch.sub(x, lse.unsqueeze(1), out=out)
        if self.margin is not None:
            out.scatter_add_(1, own_class, -self.margin.take(bins).unsqueeze(1))
        out.mul_(LOG2_E).exp2_()
        # a void pixel may hold NaN or infinity, which times 0 is NaN
        if x.is_cuda or not bool(lse.sum().isfinite()):
            out.masked_fill_(~valid.unsqueeze(1), 0)
        out.mul_(factor.unsqueeze(1)).scatter_add_(1, own_class, factor.neg_().unsqueeze(1))


def with_void(values: Tensor) -> Tensor:
    """``(C + 1,)`` values per class, with 0 for void."""
    return torch.cat([values, values.new_zeros(1)])


def flat(logits: Tensor) -> Tensor:
    """``(N, C, P)`` view of ``(N, C, *)`` logits that are contiguous or channels last."""
    if logits.is_contiguous():
        return logits.unsqueeze(-1).flatten(2)
    return logits.movedim(1, -1).flatten(1, -2).transpose(1, 2)


def flat_pixels(values: Tensor) -> Tensor:
    """``(N, P)`` view of contiguous ``(N, *)`` values."""
    return values.unsqueeze(-1).flatten(1)


def _chunks(first: Tensor, *others: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Views of ``(N, C, P)`` logits and of tensors that go with them, by images or parts of one."""
    images, num_classes, pixels = first.shape
    room = chunk_bytes(first) // (4 * num_classes)
    width = max(1, min(pixels, room))
    height = max(1, room // max(1, pixels))
    for top in range(0, images, height):
        for left in range(0, pixels, width):
            yield tuple(
                each[top : top + height, ..., left : left + width] for each in (first, *others)
            )


def classes(label: Tensor, num_classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Which pixels are valid, their class ids with C for void, and these as a ``(N, 1, P)`` index.

    The index is a class for void, too.
    """
    # -1 becomes the largest number; `where` and two comparisons would take three times as long
    bins = label.clamp(min=-1).bitwise_and_(2**63 - 1).clamp_(max=num_classes)
    return bins < num_classes, bins, bins.clamp(max=num_classes - 1).unsqueeze(1)


def _any(mask: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """The index of where an ``(N, P)`` mask holds, unless that is nowhere."""
    if bool(mask.any()):
        images, pixels = mask.nonzero(as_tuple=True)
        yield images, pixels


def largest(x: Tensor, at: tuple[Tensor, ...]) -> Tensor:
    """The class with the largest logit at some pixels, the lowest id among equals."""
    images, pixels = at
    return x[images, :, pixels].argmax(1)


def _count(bins: Tensor, num_classes: int) -> Tensor:
    """``(C,)`` how often each class occurs among class ids and ``num_classes``, which is void."""
    # in place of `bincount`, which makes a GPU wait
    counts = bins.new_zeros(num_classes + 1)
    return counts.scatter_add_(0, bins.flatten(), counts.new_ones(()).expand(bins.numel()))[:-1]


def _sum(bins: Tensor, values: Tensor, num_classes: int) -> Tensor:
    """``(C,)`` float64 sums of ``values`` over the pixels of each class."""
    if bins.is_cuda:  # where adding by index is in no fixed order
        classes = torch.arange(num_classes, device=bins.device).view(1, -1, 1)
        mine = bins.unsqueeze(1) == classes
        return torch.where(mine, values.unsqueeze(1), 0).sum((0, 2), dtype=torch.double)
    return bins.flatten().bincount(values.flatten().to(widest_float(bins.device)), num_classes + 1)[
        :-1
    ]
