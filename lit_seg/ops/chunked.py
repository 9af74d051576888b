"""Sums and counts per class in plain PyTorch, by chunks of pixels that stay in the cache."""

from collections.abc import Iterator

import torch
from torch import Tensor

from lit_seg.ops.predict_labels import predict_labels

CHUNK_BYTES = {"cpu": 1 << 20, "cuda": 32 << 20}
"""The logits of a chunk, in the dtype of the arithmetic; a GPU needs more at once to be busy."""


def chunk_bytes(logits: Tensor) -> int:
    """:data:`CHUNK_BYTES` of the device of the logits."""
    return CHUNK_BYTES.get(logits.device.type, CHUNK_BYTES["cpu"])


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
    for x, label, to_lse, to_nll in _chunks(*tensors):
        x = x.to(lse.dtype)
        forward_chunk(x, label, to_lse, to_nll, sums, counts, predictions, pixels)
    return sums, counts, all_nll, lse


def forward_chunk(
    x: Tensor,
    label: Tensor,
    lse: Tensor,
    nll: Tensor,
    sums: Tensor,
    counts: Tensor,
    predictions: bool,
    pixels: bool,
) -> None:
    """Add a chunk to sums and counts, and write log-sum-exp and, if it is wanted, -log p.

    Args:
        x: ``(N, C, P)`` logits in the dtype of the arithmetic.
        label: ``(N, P)`` class ids.
        lse: ``(N, P)`` to write to.
        nll: ``(N, P)`` to write to if ``pixels``.
        sums: ``(C,)``.
        counts: ``(2 or 3, C)``.
        predictions: whether the third row of counts is wanted.
        pixels: whether the -log p of each pixel is wanted.
    """
    num_classes = len(sums)
    valid = (label >= 0) & (label < num_classes)
    safe = label.where(valid, 0).unsqueeze(1)
    best = x.amax(1, keepdim=True)
    exps = (x - best).exp_().sum(1)
    own = x.gather(1, safe).squeeze(1)
    best = best.squeeze(1)
    log = exps.log()
    torch.add(log, best, out=lse)
    losses = log + (best - own)
    if pixels:
        nll.copy_(losses.where(valid, 0))
    bins = label.where(valid, num_classes)
    if predictions:
        predicted = predict_labels(x)
        hits = predicted == label
        counts[2] += _count(predicted.where(valid, num_classes), num_classes)
    else:
        hits = _hits(x, safe, own, best, exps)
    counts[0] += _count(bins.where(hits, num_classes), num_classes)
    counts[1] += _count(bins, num_classes)
    sums += _sum(bins, losses, num_classes)


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
    result = torch.empty_like(logits)
    factors = factors_by_class(by_class, logits, lse)
    by_pixel = None if by_pixel is None else by_pixel.contiguous()
    pixels = map(flat_pixels, (target, lse, lse if by_pixel is None else by_pixel))
    for x, out, label, norm, own in _chunks(flat(logits), flat(result), *pixels):
        wide = out if out.dtype == lse.dtype else torch.empty_like(out, dtype=lse.dtype)
        backward_chunk(x, wide, label, norm, factors, None if by_pixel is None else own)
        if wide is not out:
            out.copy_(wide)
    return result


def factors_by_class(by_class: Tensor | None, logits: Tensor, lse: Tensor) -> Tensor:
    """``(C + 1,)`` gradient of the sums, the last one, 0, for void."""
    factors = lse.new_zeros(logits.shape[1] + 1)
    if by_class is not None:
        factors[:-1] = by_class
    return factors


def backward_chunk(
    x: Tensor, out: Tensor, label: Tensor, lse: Tensor, factors: Tensor, by_pixel: Tensor | None
) -> None:
    """Write the gradient with respect to a chunk of logits.

    Args:
        x: ``(N, C, P)`` logits.
        out: ``(N, C, P)`` in the dtype of the arithmetic; may be ``x``.
        label: ``(N, P)`` class ids.
        lse: ``(N, P)`` log-sum-exp.
        factors: ``(C + 1,)`` gradient of the -log p of pixels by class.
        by_pixel: ``(N, P)`` what comes to it by pixel, or None.
    """
    num_classes = x.shape[1]
    valid = (label >= 0) & (label < num_classes)
    safe = label.where(valid, 0)
    bins = label.where(valid, num_classes)
    factor = factors.gather(0, bins.flatten()).view_as(bins)
    if by_pixel is not None:
        factor += by_pixel.where(valid, 0)
    torch.sub(x, lse.unsqueeze(1), out=out).exp_()
    # a void pixel may hold NaN or infinity, which times 0 is NaN
    if x.is_cuda or not (lse.isfinite() | valid).all():
        out.masked_fill_(~valid.unsqueeze(1), 0)
    minus_one = out.new_full((), -1).expand(x.shape[0], 1, x.shape[2])
    out.scatter_add_(1, safe.unsqueeze(1), minus_one)
    torch.mul(out, factor.unsqueeze(1), out=out)


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
