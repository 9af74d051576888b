"""Sums and counts per class by the plainest PyTorch code, which the fast ones must equal."""

import torch
import torch.nn.functional as F
from torch import Tensor


def reference_class_nll(logits: Tensor, target: Tensor, predictions: bool) -> tuple[Tensor, Tensor]:
    """``(C,)`` sums and ``(2 or 3, C)`` counts as :func:`lit_seg.ops.class_nll` defines them."""
    num_classes = logits.shape[1]
    valid = (target >= 0) & (target < num_classes)
    label = target[valid]
    pixels = logits.movedim(1, -1)[valid]  # (valid pixels, C)
    nll = F.cross_entropy(
        pixels.to(torch.promote_types(pixels.dtype, torch.float)), label, reduction="none"
    )
    sums = (F.one_hot(label, num_classes) * nll.double().unsqueeze(1)).sum(0)
    predicted = pixels.argmax(1)
    bins = [label[predicted == label], label, predicted][: 3 if predictions else 2]
    return sums, torch.stack([torch.bincount(each, minlength=num_classes) for each in bins])
