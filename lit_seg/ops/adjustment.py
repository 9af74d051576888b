"""Logits that are scaled and shifted, by the same numbers everywhere, before the softmax."""

from torch import Tensor

from lit_seg.ops.precision import wide_dtype


def adjusted(logits: Tensor, scale: float, shift: Tensor | None) -> Tensor:
    """``(N, C, *)`` logits times ``scale`` plus ``(C,)`` of ``shift``, at least in float32.

    Where the scale would make logits infinite, and the softmax NaN, the largest of the pixel is
    taken from them: only differences count.
    """
    logits = logits.to(wide_dtype(logits))
    if scale != 1:
        top = logits.detach().amax(1, keepdim=True)
        logits = scale * (logits - top.where(~(scale * top).isfinite(), 0))
    return logits if shift is None else logits + per_class(shift, logits)


def per_class(values: Tensor, logits: Tensor) -> Tensor:
    """``(C,)`` values in the dtype and along the channels of ``(N, C, *)`` logits."""
    return values.to(logits.dtype).view(-1, *[1] * (logits.ndim - 2))
