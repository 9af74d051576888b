"""Sums and counts per class by loops that ``torch.compile`` writes, for the CPU."""

from collections.abc import Callable, Iterator
from functools import cache

import torch
from torch import Tensor

from lit_seg.errors import RunError
from lit_seg.ops.chunk_totals import LOG2_E, with_void
from lit_seg.ops.chunked import empty_pixels, flat
from lit_seg.ops.modulation import flat_pixels
from lit_seg.ops.precision import wide_dtype, widest_float

PIXELS = 1 << 17
"""Pixels of a call: enough that calling takes no time, few so that little memory is needed."""


def forward(
    logits: Tensor, target: Tensor, margin: Tensor | None, predictions: bool, pixels: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What :func:`lit_seg.ops.chunked.forward` gives, of the same arguments."""
    write, _ = _compiled()
    num_classes = logits.shape[1]
    sums = logits.new_zeros(num_classes, dtype=widest_float(logits.device))
    counts = target.new_zeros(3 if predictions else 2, num_classes)
    all_nll, lse = empty_pixels(logits, target, pixels)
    margin = None if margin is None else margin.to(lse.dtype)
    room = lse.new_empty(PIXELS), target.new_empty(PIXELS, dtype=torch.int32)
    for x, label, to_lse, to_nll in _parts(logits, target, lse, all_nll if pixels else lse):
        bins, short = _classes(label, num_classes)
        nll, predicted = (each[: len(label)] for each in room)
        write(x, short, margin, to_lse, nll, predicted)
        if pixels:
            to_nll.copy_(nll)
        sums += bins.bincount(nll.to(sums.dtype), num_classes + 1)[:-1]
        found = (2 * bins).add_(predicted == short).bincount(minlength=2 * num_classes + 2)
        found = found.view(-1, 2)[:-1]
        counts[0] += found[:, 1]
        counts[1] += found.sum(1)
        if predictions:
            valid = predicted.where(bins < num_classes, num_classes)
            counts[2] += valid.bincount(minlength=num_classes + 1)[:-1]
    return sums, counts, all_nll, lse


def backward(
    by_class: Tensor | None,
    by_pixel: Tensor | None,
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    lse: Tensor,
) -> Tensor:
    """What :func:`lit_seg.ops.chunked.backward` gives, of the same arguments."""
    _, write = _compiled()
    num_classes = logits.shape[1]
    result = torch.empty_like(logits)
    zeros = logits.new_zeros(num_classes, dtype=wide_dtype(logits))
    factors = with_void(zeros if by_class is None else by_class.to(zeros.dtype))
    margin = None if margin is None else margin.to(zeros.dtype)
    of_pixel = lse if by_pixel is None else by_pixel.contiguous()
    rows = zip(_parts(logits, target, lse, of_pixel), _parts(result), strict=True)
    for (x, label, own_lse, own), (out,) in rows:
        bins, short = _classes(label, num_classes)
        factor = factors.index_select(0, bins)
        if by_pixel is not None:
            factor += own
        write(x, short, margin, own_lse, factor, out)
    return result


def _write_forward(
    x: Tensor, label: Tensor, margin: Tensor | None, lse: Tensor, nll: Tensor, predicted: Tensor
) -> None:
    """Write what is known of ``(P,)`` pixels from their ``(C, P)`` logits; C labels void."""
    x, mine = _logits(x, label, margin, lse.dtype)
    top = x.amax(0)
    less = x - top
    log = (less * LOG2_E).exp2().sum(0).log()
    ids = torch.arange(len(x), dtype=label.dtype).unsqueeze(1)
    predicted.copy_(torch.where(x >= top, ids, len(x)).amin(0))
    lse.copy_(log + top)
    nll.copy_(torch.where(label < len(x), log - torch.where(mine, less, 0).sum(0), 0))


def _write_backward(
    x: Tensor, label: Tensor, margin: Tensor | None, lse: Tensor, factor: Tensor, out: Tensor
) -> None:
    """Write the gradient with respect to ``(C, P)`` logits; C labels void."""
    wide, mine = _logits(x, label, margin, lse.dtype)
    p = ((wide - lse) * LOG2_E).exp2()
    # a void pixel may hold NaN or infinity, which times 0 is NaN
    out.copy_(torch.where(label < len(x), torch.where(mine, p - 1, p) * factor, 0))


def _logits(
    x: Tensor, label: Tensor, margin: Tensor | None, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """The logits less the margin, and which of them are those of the true class."""
    mine = torch.arange(len(x), dtype=label.dtype).unsqueeze(1) == label
    x = x.to(dtype)
    return x if margin is None else torch.where(mine, x - margin.unsqueeze(1), x), mine


@cache
def _compiled() -> tuple[Callable[..., None], Callable[..., None]]:
    """Both functions, compiled for images of all sizes; a RunError where that does not work."""
    forward, backward = (torch.compile(f, dynamic=True) for f in (_write_forward, _write_backward))
    x, label = torch.zeros(2, 3), torch.zeros(3, dtype=torch.int32)
    try:
        forward(x, label, None, x[0].clone(), x[1].clone(), label.clone())
    except RuntimeError as error:
        reason = str(error).split("\n")[0]
        raise RunError(
            f"`loss_backend compiled`: the loss cannot be compiled ({reason}). Install a C++ "
            "compiler such as g++, or leave the option out"
        ) from error
    return forward, backward


def _parts(logits: Tensor, *pixels: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """``(C, P)`` logits and ``(P,)`` views of the pixels, by parts of images."""
    for image in zip(flat(logits.detach()), *map(flat_pixels, pixels), strict=True):
        yield from zip(*(each.split(PIXELS, -1) for each in image), strict=True)


def _classes(label: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Class ids with C for void, as int64 and as int32, as wide as a logit."""
    # -1 becomes the largest number
    bins = label.clamp(min=-1).bitwise_and_(2**63 - 1).clamp_(max=num_classes)
    return bins, bins.int()
