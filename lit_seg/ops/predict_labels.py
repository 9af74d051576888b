"""The prediction of each pixel."""

import torch
from torch import Tensor


def predict_labels(logits: Tensor) -> Tensor:
    """The class with the largest logit, the lowest id among equals: ``(N, C, *)`` to ``(N, *)``."""
    logits = logits.detach()
    if logits.is_cuda or logits.stride(1) == 1:
        return logits.argmax(1)
    # argmax over a strided axis is not vectorised on the CPU: 90 ms against 27 ms for this scan
    # over the classes (8x11x240x320, one thread).
    best = logits[:, 0].clone()
    labels = torch.zeros(best.shape, dtype=torch.long, device=logits.device)
    for c in range(1, logits.shape[1]):
        labels.masked_fill_(logits[:, c] > best, c)
        torch.maximum(best, logits[:, c], out=best)
    return labels
