"""Sums and counts per class by the plainest PyTorch code, which the fast ones must equal."""

import torch
import torch.nn.functional as F
from torch import Tensor


def reference_class_nll(
    logits: Tensor, target: Tensor, margin: Tensor | None, predictions: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """``(C,)`` sums, ``(2 or 3, C)`` counts and ``(N, *)`` -log p as ``class_nll`` defines them."""
    num_classes = logits.shape[1]
    valid = (target >= 0) & (target < num_classes)
    label = target[valid]
    own = logits.movedim(1, -1)[valid]  # (valid pixels, C)
    wide = torch.promote_types(logits.dtype, torch.float)
    if margin is not None:
        own = own - F.one_hot(label, num_classes) * margin.to(wide)
    nll = F.cross_entropy(own.to(wide), label, reduction="none")
    sums = (F.one_hot(label, num_classes) * nll.double().unsqueeze(1)).sum(0)
    predicted = own.argmax(1)
    bins = [label[predicted == label], label, predicted][: 3 if predictions else 2]
    counts = torch.stack([torch.bincount(each, minlength=num_classes) for each in bins])
    return sums, counts, nll.new_zeros(target.shape).masked_scatter(valid, nll)
