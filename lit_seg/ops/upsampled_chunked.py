"""Sums and counts per class of logits smaller than the labels, in plain PyTorch.

Logits of full size are made in forward and made again in backward, but not kept between them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_seg.ops import chunked


def forward(
    logits: Tensor, target: Tensor, predictions: bool, pixels: bool, align_corners: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As :func:`lit_seg.ops.chunked.forward`, of ``(N, C, h, w)`` logits and larger labels."""
    return chunked.forward(upsampled(logits, target, align_corners), target, predictions, pixels)


def backward(
    by_class: Tensor | None,
    by_pixel: Tensor | None,
    logits: Tensor,
    target: Tensor,
    lse: Tensor,
    align_corners: bool,
) -> Tensor:
    """As :func:`lit_seg.ops.chunked.backward`, with respect to the small logits."""
    full = upsampled(logits, target, align_corners)
    gradient = chunked.backward(by_class, by_pixel, full, target, lse)
    size, own = target.shape[1:], logits.shape
    result: Tensor = torch.ops.aten.upsample_bilinear2d_backward(gradient, size, own, align_corners)
    return result.to(logits.dtype, memory_format=torch.preserve_format)


def upsampled(logits: Tensor, target: Tensor, align_corners: bool) -> Tensor:
    """Logits of the labels' size, in the dtype of the arithmetic."""
    return F.interpolate(
        logits.to(chunked.wide_dtype(logits)),
        target.shape[1:],
        mode="bilinear",
        align_corners=align_corners,
    )
