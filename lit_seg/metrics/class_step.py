"""Statistics of a training step per class, for any loss: sums over pixels, then ratios."""

import torch
from torch import Tensor

from lit_seg.metrics.scores import class_scores
from lit_seg.ops import class_nll
from lit_seg.ops.precision import wide_dtype, widest_float


def class_sums(
    logits: Tensor, target: Tensor, gamma: float = 1.0, align_corners: bool = False
) -> Tensor:
    """Sums over the pixels of a batch, for :func:`class_step`; void pixels are left out.

    Args:
        logits: ``(N, C, *)``, upsampled to the size of the labels where they are smaller.
        target: ``(N, *)`` int64 class ids or void.
        gamma: exponent of the focal weight.
        align_corners: of the upsampling.

    Returns:
        What :func:`pixel_sums` returns, with 0 for the gradient.
    """
    found = class_nll(logits.detach(), target, None, True, True, align_corners)
    assert found.pixels is not None
    return pixel_sums(found.counts, found.pixels, target, gamma)


def pixel_sums(
    counts: Tensor, nll: Tensor, target: Tensor, gamma: float = 1.0, slopes: Tensor | None = None
) -> Tensor:
    """Sums over the pixels of a batch from what a loss found in its pass over the logits.

    Args:
        counts: ``(3, C)`` pixels predicted rightly as the class, its pixels, and those predicted.
        nll: ``(N, *)`` -log p of each pixel.
        target: ``(N, *)`` int64 class ids or void.
        gamma: exponent of the focal weight.
        slopes: ``(N, *)`` the sum over classes of abs(dL/dz) in each pixel; None stands for 0.

    Returns:
        ``(6, C)`` float64: pixels of the class, pixels predicted as it, pixels that are both; and
        over the pixels of the class the sums of p, the probability of the true class, of
        (1 - p)^gamma and of the slopes.
    """
    hits, labelled, predicted = counts.to(widest_float(counts.device))
    bins = _bins(target, len(labelled))
    p = torch.exp(-nll)
    confidence = _sums(bins, p, len(labelled))
    # a pass over the pixels less where there is nothing to raise
    missing = labelled - confidence if gamma == 1 else _sums(bins, (1 - p) ** gamma, len(labelled))
    gradient = torch.zeros_like(hits) if slopes is None else _sums(bins, slopes, len(labelled))
    return torch.stack([labelled, predicted, hits, confidence, missing, gradient])


def gradient_sums(gradient: Tensor, target: Tensor) -> Tensor:
    """``(6, C)`` zeros but for the last row: the sum of |dL/dz| over the pixels of each class.

    Args:
        gradient: ``(N, C, *)`` of the loss with respect to the logits.
        target: ``(N, *)`` int64 class ids or void.
    """
    num_classes = gradient.shape[1]
    sizes = gradient.detach().abs().sum(1, dtype=wide_dtype(gradient))
    row = _sums(_bins(target, num_classes), sizes, num_classes)
    return torch.stack([*[torch.zeros_like(row)] * 5, row])


def class_step(sums: Tensor) -> dict[str, Tensor]:
    """The statistics of a step: name to ``(C,)`` float64, NaN where one is not defined.

    Args:
        sums: ``(6, C)`` on the CPU, of all batches and ranks of the step.

    Returns:
        ``recall``; ``miss``, 1 - recall; ``focal``, the mean of (1 - p)^gamma, and ``confidence``,
        the mean of p, over the pixels of the class; ``fpr``, the share of the pixels of all other
        classes that are predicted as it; ``precision``. Each has its share of the sum over the
        classes as ``<name>_norm`` (arXiv 2106.14917, Sec. 4.4 and Fig. 4a and b). Further
        ``recall_focal_ratio``, miss_norm / focal_norm (Fig. 4c), and ``gradient_share``, the part
        of the sum of |dL/dz| that lies on the pixels of the class.

        Precision is that of all predicted pixels, however few: the rule of ``is_predicted`` is for
        scores of a run, and would hide here when a class begins to be predicted.
    """
    labelled, predicted, hits, confidence, focal, gradient = sums
    _, recall, _ = class_scores(sums[:3].T.numpy())
    stats = {
        "recall": torch.from_numpy(recall),
        "miss": (labelled - hits) / labelled,
        "focal": focal / labelled,
        "confidence": confidence / labelled,
        "fpr": (predicted - hits) / (labelled.sum() - labelled),
        "precision": hits / predicted,
    }
    stats |= {f"{name}_norm": share(values) for name, values in stats.items()}
    stats["recall_focal_ratio"] = stats["miss_norm"] / stats["focal_norm"]
    stats["gradient_share"] = share(gradient.masked_fill(labelled == 0, torch.nan))
    return stats


def share(values: Tensor) -> Tensor:
    """Values over their sum, in which NaN does not count."""
    return values / values.nansum()


def _bins(target: Tensor, num_classes: int) -> Tensor:
    """The label of each pixel, and one bin past the classes for void and for what is no class.

    The loss refuses the latter, but sees them later.
    """
    return torch.where((target >= 0) & (target < num_classes), target, num_classes)


def _sums(bins: Tensor, values: Tensor, num_classes: int) -> Tensor:
    values = values.flatten().to(widest_float(bins.device))
    # not `bincount`, for which a GPU waits, and which a CPU takes three times as long for
    sums = values.new_zeros(num_classes + 1)
    return sums.index_add_(0, bins.flatten(), values)[:num_classes]
