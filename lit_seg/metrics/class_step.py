"""Statistics of a training step per class, for any loss: sums over pixels, then ratios."""

import torch
from torch import Tensor

from lit_seg.metrics.scores import class_scores
from lit_seg.ops.precision import wide_dtype, widest_float
from lit_seg.ops.predict_labels import predict_labels


def class_sums(logits: Tensor, target: Tensor, gamma: float = 1.0) -> Tensor:
    """Sums over the pixels of a batch, for :func:`class_step`; void pixels are left out.

    Args:
        logits: ``(N, C, *)``.
        target: ``(N, *)`` int64 class ids or void.
        gamma: exponent of the focal weight.

    Returns:
        ``(6, C)`` float64: pixels of the class, pixels predicted as it, pixels that are both; and
        over the pixels of the class the sum of p, the probability of the true class, the sum of
        (1 - p)^gamma, and 0, the place of the gradient.
    """
    num_classes = logits.shape[1]
    # contiguous: an argmax over the last axis, as channels_last is, takes twice as long
    logits = logits.detach().to(wide_dtype(logits), memory_format=torch.contiguous_format)
    labels = _bins(target, num_classes)
    predicted = torch.where(labels == num_classes, num_classes, predict_labels(logits))
    hits = torch.where(labels == predicted, labels, num_classes)
    own = logits.gather(1, labels.clamp(max=num_classes - 1).unsqueeze(1))
    p = (own - logits.logsumexp(1, keepdim=True)).exp().clamp(max=1).squeeze(1)
    counts = [_sums(bins, None, num_classes) for bins in (labels, predicted, hits)]
    weights = [_sums(labels, values, num_classes) for values in (p, (1 - p) ** gamma)]
    return torch.stack([*counts, *weights, torch.zeros_like(counts[0])])


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


def _sums(bins: Tensor, values: Tensor | None, num_classes: int) -> Tensor:
    dtype = widest_float(bins.device)
    if values is None and not bins.is_cuda:
        return torch.bincount(bins.flatten(), minlength=num_classes + 1)[:num_classes].to(dtype)
    # A GPU waits for `bincount`, and refuses it with weights where determinism is asked for.
    if values is None:
        values = torch.ones((), device=bins.device).expand(bins.shape)
    sums = torch.zeros(num_classes + 1, dtype=dtype, device=bins.device)
    return sums.index_add_(0, bins.flatten(), values.flatten().to(dtype))[:num_classes]
