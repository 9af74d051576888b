"""Logits that are scaled and shifted, by the same numbers everywhere, before the softmax."""

import torch
from torch import Tensor

from lit_seg.ops.precision import wide_dtype


def adjusted(logits: Tensor, scale: float, shift: Tensor | None) -> Tensor:
    """``(N, C, *)`` logits times ``scale`` plus ``(C,)`` of ``shift``, at least in float32.

    Where the scale would make logits infinite, and the softmax NaN, the largest of the pixel is
    taken from them: only differences count.
    """
    check_of_classes("shift", shift, logits)
    logits = logits.to(wide_dtype(logits))
    if scale != 1:
        top = logits.detach().amax(1, keepdim=True)
        logits = scale * (logits - top.where(~(scale * top).isfinite(), 0))
    return logits if shift is None else logits + per_class(shift, logits)


def check_of_classes(name: str, values: object, logits: Tensor) -> None:
    """Refuse what is neither None nor ``(C,)`` real numbers where the ``(N, C, *)`` logits are.

    Raises:
        ValueError: naming it.
    """
    if values is None:
        return
    got = f"{type(values).__name__} {values}"
    if isinstance(values, Tensor):
        got = f"{tuple(values.shape)} {values.dtype} on {values.device}"
        real = not values.is_complex() and values.dtype != torch.bool
        if real and values.shape == logits.shape[1:2] and values.device == logits.device:
            return
    raise ValueError(
        f"`{name}` must be a tensor of {logits.shape[1]} real numbers, one per class, on "
        f"{logits.device}, got {got}"
    )


def per_class(values: Tensor, logits: Tensor) -> Tensor:
    """``(C,)`` values in the dtype and along the channels of ``(N, C, *)`` logits."""
    return values.to(logits.dtype).view(-1, *[1] * (logits.ndim - 2))
