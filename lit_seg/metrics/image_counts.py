"""Counts per image and class, from which scores of images and of resampled sets follow."""

import torch
from torch import Tensor

from lit_seg.metrics.labels import void_of


def image_counts(preds: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """Pixels of each class in each image: labelled as it, predicted as it, and both.

    Args:
        preds: ``(N, *)`` predicted class ids.
        target: ``(N, *)`` int64 class ids or void, where nothing counts.
        num_classes: C.

    Returns:
        ``(N, 3, C)`` int64. Summed over images, IoU is hits / (labelled + predicted - hits).
    """
    void = target == void_of(num_classes)
    hits = torch.where(preds == target, target, num_classes)
    bins = torch.stack([target, preds, hits], dim=1).masked_fill_(void.unsqueeze(1), num_classes)
    rows = torch.arange(3 * len(target), device=target.device) * (num_classes + 1)
    flat = bins.view(len(rows), -1) + rows.unsqueeze(1)
    counts = torch.bincount(flat.flatten(), minlength=len(rows) * (num_classes + 1))
    return counts.view(len(target), 3, num_classes + 1)[..., :num_classes]
