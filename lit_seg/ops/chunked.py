"""Sums and counts per class in plain PyTorch, by chunks of pixels that stay in the cache."""

from collections.abc import Iterator

import torch
from torch import Tensor

CHUNK_BYTES = {"cpu": 1 << 20, "cuda": 32 << 20}
"""The logits of a chunk, in the dtype of the arithmetic; a GPU needs more at once to be busy."""


def wide_dtype(logits: Tensor) -> torch.dtype:
    """The dtype of the arithmetic: float32, for float64 logits float64."""
    return torch.promote_types(logits.dtype, torch.float)


def empty_pixels(logits: Tensor, target: Tensor, pixels: bool) -> tuple[Tensor, Tensor]:
    """Room for the -log p of each pixel, if it is wanted, and for the log-sum-exp."""
    lse = logits.new_empty(target.shape, dtype=wide_dtype(logits))
    return (torch.empty_like(lse) if pixels else lse.new_empty(0)), lse


def forward(
    logits: Tensor, target: Tensor, predictions: bool, pixels: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All that one pass over the logits gives; they are contiguous or channels last.

    Args:
        logits: ``(N, C, *)``.
        target: ``(N, *)`` int64, contiguous.
        predictions: whether the third row of counts is wanted.
        pixels: whether the -log p of each pixel is wanted.

    Returns:
        ``(C,)`` float64 sums of -log p, ``(2 or 3, C)`` int64 counts, ``(N, *)`` -log p or nothing,
        and ``(N, *)`` log-sum-exp, which has no meaning where a pixel is void.
    """
    num_classes = logits.shape[1]
    sums = logits.new_zeros(num_classes, dtype=torch.double)
    counts = target.new_zeros(3 if predictions else 2, num_classes)
    all_nll, lse = empty_pixels(logits, target, pixels)
    tensors = [flat(logits), *map(flat_pixels, (target, lse, all_nll if pixels else lse))]
    for x, label, out, nll_out in _chunks(*tensors):
        x = x.to(lse.dtype)
        valid = (label >= 0) & (label < num_classes)
        safe = label.where(valid, 0).unsqueeze(1)
        best = x.amax(1, keepdim=True)
        exps = (x - best).exp_().sum(1)
        own = x.gather(1, safe).squeeze(1)
        best = best.squeeze(1)
        nll = exps.log() + (best - own)
        if pixels:
            nll_out.copy_(nll.where(valid, 0))
        torch.add(exps.log(), best, out=out)
        bins = label.where(valid, num_classes)
        if predictions:
            predicted = _predicted(x)
            hits = predicted == label
            counts[2] += _count(predicted.where(valid, num_classes), num_classes)
        else:
            hits = _hits(x, safe, own, best, exps)
        counts[0] += _count(bins.where(hits, num_classes), num_classes)
        counts[1] += _count(bins, num_classes)
        sums += _sum(bins, nll, num_classes)
    return sums, counts, all_nll, lse


def backward(
    by_class: Tensor | None, by_pixel: Tensor | None, logits: Tensor, target: Tensor, lse: Tensor
) -> Tensor:
    """The gradient with respect to the logits.

    Args:
        by_class: ``(C,)`` gradient of the sums; None stands for 0.
        by_pixel: ``(N, *)`` gradient of the -log p of each pixel; None stands for 0.
        logits: as in forward, as all that follows.
        target: ``(N, *)``.
        lse: ``(N, *)`` log-sum-exp.
    """
    num_classes = logits.shape[1]
    result = torch.empty_like(logits)
    # the last one is that of void
    factors = lse.new_zeros(num_classes + 1)
    if by_class is not None:
        factors[:-1] = by_class
    by_pixel = None if by_pixel is None else by_pixel.contiguous()
    pixels = map(flat_pixels, (target, lse, lse if by_pixel is None else by_pixel))
    for x, out, label, norm, own_factor in _chunks(flat(logits), flat(result), *pixels):
        valid = (label >= 0) & (label < num_classes)
        safe = label.where(valid, 0)
        bins = label.where(valid, num_classes)
        factor = factors.gather(0, bins.flatten()).view_as(bins)
        if by_pixel is not None:
            factor += own_factor.where(valid, 0)
        wide = out if out.dtype == lse.dtype else torch.empty_like(out, dtype=lse.dtype)
        torch.sub(x, norm.unsqueeze(1), out=wide).exp_()
        # a void pixel may hold NaN or infinity, which times 0 is NaN
        if x.is_cuda or not (norm.isfinite() | valid).all():
            wide.masked_fill_(~valid.unsqueeze(1), 0)
        minus_one = wide.new_full((), -1).expand(x.shape[0], 1, x.shape[2])
        wide.scatter_add_(1, safe.unsqueeze(1), minus_one)
        torch.mul(wide, factor.unsqueeze(1), out=wide)
        if wide is not out:
            out.copy_(wide)
    return result


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
    room = CHUNK_BYTES.get(first.device.type, CHUNK_BYTES["cpu"]) // (4 * num_classes)
    width = max(1, min(pixels, room))
    height = max(1, room // max(1, pixels))
    for top in range(0, images, height):
        for left in range(0, pixels, width):
            yield tuple(
                each[top : top + height, ..., left : left + width] for each in (first, *others)
            )


def _predicted(x: Tensor) -> Tensor:
    """The class with the largest logit, the lowest id among equals."""
    if x.is_cuda:
        return x.argmax(1)
    # argmax over a strided axis takes three times as long on the CPU as a scan over the classes
    best = x[:, 0].clone()
    predicted = torch.zeros(best.shape, dtype=torch.long)
    for c in range(1, x.shape[1]):
        predicted.masked_fill_(x[:, c] > best, c)
        torch.maximum(best, x[:, c], out=best)
    return predicted


def _hits(x: Tensor, label: Tensor, own: Tensor, best: Tensor, exps: Tensor) -> Tensor:
    """Whether ``label`` is the class with the largest logit, the lowest id among equals.

    Args:
        x: ``(N, C, P)`` logits.
        label: ``(N, 1, P)`` class ids.
        own: ``(N, P)`` logits of these classes.
        best: ``(N, P)`` the largest logits.
        exps: ``(N, P)`` the sum over classes of exp(logit - largest).
    """
    if x.is_cuda:
        return x.argmax(1, keepdim=True).eq(label).squeeze(1)
    hits = own >= best
    # Another class is as large only if the sum is 2 at least; there the ids decide.
    unsure = (hits & (exps >= 2)).nonzero(as_tuple=True)
    logits = x[unsure[0], :, unsure[1]]  # (pixels, C)
    earlier = torch.arange(x.shape[1]) < label[unsure[0], :, unsure[1]]
    hits[unsure] = ~((logits == best[unsure].unsqueeze(1)) & earlier).any(1)
    return hits


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
    return bins.flatten().bincount(values.flatten().double(), num_classes + 1)[:-1]
