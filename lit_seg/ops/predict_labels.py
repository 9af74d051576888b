"""The prediction of each pixel."""

from collections.abc import Iterable

import torch
from torch import Tensor


def predict_labels(logits: Tensor) -> Tensor:
    """The class with the largest logit, the lowest id among equals: ``(N, C, *)`` to ``(N, *)``."""
    logits = logits.detach()
    if logits.is_cuda or logits.stride(1) == 1:
        return logits.argmax(1)
    # argmax over a strided axis is not vectorised on the CPU: 90 ms against 27 ms for this scan
    # over the classes (8x11x240x320, one thread).
    return highest(logits.unbind(1))


def highest(planes: Iterable[Tensor]) -> Tensor:
    """As :func:`predict_labels`, of the ``(N, *)`` logits of one class after the other."""
    remaining = iter(planes)
    best = next(remaining).clone()
    labels = torch.zeros_like(best, dtype=torch.long)
    for c, plane in enumerate(remaining, 1):
        labels.masked_fill_(plane > best, c)
        torch.maximum(best, plane, out=best)
    return labels
