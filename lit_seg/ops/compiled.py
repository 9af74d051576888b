"""Sums and counts per class by loops that ``torch.compile`` writes, for the CPU."""

from collections.abc import Callable, Iterator
from functools import cache
from inspect import signature
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lit_seg.errors import RunError
from lit_seg.ops.chunk_totals import HIT, Totals, lanes
from lit_seg.ops.chunked import class_factors, empty_pixels, flat
from lit_seg.ops.fresh import fresh_like
from lit_seg.ops.modulation import FactorParts, Modulation, class_bins, flat_pixels
from lit_seg.ops.precision import widest_float

PIXELS = 1 << 17
"""Pixels of a call: enough that calling takes no time, few so that little memory is needed."""
LEAST_PIXELS = 1 << 12
"""An image with fewer is left to `chunked`, where calling takes less time."""
VARIANTS = 64
"""Dtypes, layouts and options that a process may meet; beyond, nothing more is compiled."""


class Adjustment(NamedTuple):
    """What is done to logits before the softmax.

    Attributes:
        margin: ``(C,)`` over the scale, or None.
        shift: ``(C,)`` over the scale, or None.
        scale: what the logits are multiplied by then; None stands for 1.
    """

    margin: Tensor | None
    shift: Tensor | None
    scale: Tensor | None

    @classmethod
    def of(
        cls, like: Tensor, margin: Tensor | None, scale: float, shift: Tensor | None
    ) -> "Adjustment":
        """In the dtype of a tensor."""
        margin, shift = (
            each if each is None else each.to(like.dtype) / scale for each in (margin, shift)
        )
        return cls(margin, shift, None if scale == 1 else like.new_tensor(scale))

    def add(self, x: Tensor, label: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """``(C, P)`` logits over the scale, and which of them are those of the true class."""
        mine = torch.arange(len(x), dtype=label.dtype).unsqueeze(1) == label
        x = x.to(dtype)
        if self.shift is not None:
            x = x + self.shift.unsqueeze(1)
        if self.margin is not None:
            x = torch.where(mine, x - self.margin.unsqueeze(1), x)
        return x, mine

    def scaled(self, values: Tensor) -> Tensor:
        """Values times the scale."""
        return values if self.scale is None else values * self.scale


def forward(
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    predictions: bool,
    pixels: bool,
    modulation: Modulation | None = None,
    scale: float = 1.0,
    shift: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What :func:`lit_seg.ops.chunked.forward` gives, of the same arguments."""
    write, _ = _compiled()
    totals = Totals(logits, target, None, predictions, modulation)
    all_pixels, lse = empty_pixels(logits, target, pixels)
    adjustment = Adjustment.of(lse, margin, scale, shift)
    parts = None if modulation is None else modulation.parts.on(lse)
    wanted = all_pixels if pixels else None
    size = min(PIXELS, target[:1].numel())
    losses = logits.new_empty(size, dtype=widest_float(logits.device))
    ids = [target.new_empty(size) for _ in range(2 + predictions)]
    for image, x, label, to_lse, to_pixels in _parts([logits], target, lse, wanted):
        loss, place, codes, *more = (each[: len(label)].data for each in (losses, *ids))
        predicted = more[0] if more else None
        to_sums = place, loss, codes, predicted
        write(x, label, adjustment, parts, totals.lane, to_lse, to_pixels, *to_sums)
        first = image * (totals.num_classes + 1) if totals.by_image else 0
        totals.add_losses(place, loss, first)
        totals.add_codes(place, codes, predicted, first)
    return totals.sums, totals.counts, all_pixels, lse


def backward(
    by_class: Tensor | None,
    by_pixel: Tensor | None,
    logits: Tensor,
    target: Tensor,
    margin: Tensor | None,
    lse: Tensor,
    slopes: Tensor | None = None,
    scale: float = 1.0,
    shift: Tensor | None = None,
) -> Tensor:
    """What :func:`lit_seg.ops.chunked.backward` gives, of the same arguments."""
    _, write = _compiled()
    result = fresh_like(logits)
    factors = class_factors(by_class, logits)
    adjustment = Adjustment.of(lse, margin, scale, shift)
    by_pixel = None if by_pixel is None else by_pixel.contiguous()
    for image, x, out, label, *of_pixels in _parts([logits, result], target, lse, slopes, by_pixel):
        short = class_bins(label, logits.shape[1]).int()
        factor = (factors if factors.ndim == 1 else factors[image]).index_select(0, short)
        write(x, short, adjustment, factor, *of_pixels, out)
    return result


def _write_forward(
    x: Tensor,
    label: Tensor,
    adjustment: "Adjustment",
    modulation: FactorParts | None,
    lane: Tensor,
    lse: Tensor,
    pixels: Tensor | None,
    place: Tensor,
    losses: Tensor,
    codes: Tensor,
    predicted: Tensor | None,
) -> None:
    """Write what is known of ``(P,)`` pixels from their ``(C, P)`` logits and class ids.

    From ``lse`` on all is written; the last four are as the methods of ``Totals`` take them.
    """
    void = len(x)
    valid = (label >= 0) & (label < void)
    x, mine = adjustment.add(x, label.int(), lse.dtype)
    top = x.amax(0)
    less = adjustment.scaled(x - top)
    own = torch.where(mine, less, 0).sum(0)
    others = torch.where(mine, 0, less.exp()).sum(0)
    # what the sum of all exceeds 1 by; so -log p has all its digits where it is near 0
    beyond = others + own.expm1()
    log = beyond.log1p()
    ids = torch.arange(void, dtype=x.dtype).unsqueeze(1)
    best = torch.where(x >= top, ids, void).amin(0)
    lse.copy_(top + (log if adjustment.scale is None else log / adjustment.scale))
    nll = torch.where(valid, log - own, 0)
    if modulation is None:
        result, number = nll, nll
    else:
        result, number = modulation.losses_and_slopes(nll, others / (1 + beyond))
    if pixels is not None:
        pixels.copy_(number)
    losses.copy_(result)
    place.copy_(torch.where(valid, label, void) | lanes(len(label), lane))
    codes.copy_(torch.where(best == label, HIT, 1))
    if predicted is not None:
        predicted.copy_(torch.where(valid, best, void))


def _write_backward(
    x: Tensor,
    label: Tensor,
    adjustment: "Adjustment",
    factor: Tensor,
    lse: Tensor,
    slopes: Tensor | None,
    by_pixel: Tensor | None,
    out: Tensor,
) -> None:
    """Write the gradient with respect to ``(C, P)`` logits; C labels void."""
    wide, mine = adjustment.add(x, label, lse.dtype)
    if slopes is not None:
        factor = factor * slopes
    if by_pixel is not None:
        factor = factor + by_pixel
    factor = adjustment.scaled(factor)
    p = adjustment.scaled(wide - lse).exp()
    # a void pixel may hold NaN or infinity, which times 0 is NaN
    out.copy_(torch.where(label < len(x), torch.where(mine, p - 1, p) * factor, 0))


@cache
def _compiled() -> tuple[Callable[..., None], Callable[..., None]]:
    """Both functions, compiled for images of all sizes; a RunError where that does not work."""
    # loops for all cores, however small the first logits are
    given: dict[str, Any] = {"dynamic": True, "options": {"cpp.dynamic_threads": True}}
    if "recompile_limit" in signature(torch.compile).parameters:  # not before torch 2.12
        given["recompile_limit"] = VARIANTS
    forward, backward = (torch.compile(f, **given) for f in (_write_forward, _write_backward))
    x, out = torch.zeros(2, 2, 9)[..., :3]
    lse, factor = torch.zeros(2, 3)
    label = torch.zeros(3, dtype=torch.int32)
    try:
        plain = Adjustment(None, None, None)
        backward(x.data, label, plain, factor.data, lse.data, None, None, out.data)
    except RuntimeError as error:
        reason = str(error).split("\n")[0]
        way_out = "Install a C++ compiler such as g++"
        if isinstance(getattr(error, "inner_exception", None), OSError):
            way_out = "Make room, or give another folder by TORCHINDUCTOR_CACHE_DIR"
        raise RunError(
            f"`loss_backend compiled`: the loss cannot be compiled ({reason}). {way_out}, or leave "
            "the option out"
        ) from error
    return forward, backward


def _parts(logits: list[Tensor], *pixels: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """The number of an image, ``(C, P)`` logits and ``(P,)`` pixels, by parts that share memory.

    In place of None there is None.
    """
    all_logits = [flat(each) for each in logits]
    all_pixels = [each if each is None else flat_pixels(each) for each in pixels]
    images, _, size = all_logits[0].shape
    # at least two parts, as for logits without a gap between their rows it is compiled anew
    step = min(PIXELS, -(-size // 2))
    for image, start in product(range(images), range(0, size, max(1, step))):
        part = slice(start, start + step)
        own = [each if each is None else each[image, ..., part] for each in all_logits + all_pixels]
        # without `data` they are views, compiled anew for each size of what they are a view of
        yield image, *(each if each is None else each.data for each in own)
