"""The base of the region losses: soft counts of hits and misses, and the overlap from them."""

import torch
from torch import Tensor

from lit_seg.errors import check_choice
from lit_seg.losses.base import Counts, SegLoss, at_least_zero, in_range
from lit_seg.metrics.collectives import differentiable_sum_over_ranks, world_size
from lit_seg.ops.precision import widest_float


class OverlapLoss(SegLoss):
    r"""Base of the region losses: 1 - the mean soft overlap of the classes present.

    .. math::

        L = 1 - \frac{1}{|\mathcal{C}|} \sum_{c \in \mathcal{C}}
            \frac{TP_c}{TP_c + \alpha FP_c + \beta FN_c}

    with the soft counts :math:`TP_c = \sum_{y=c} p_c`, :math:`FP_c = \sum_{y \ne c} p_c` and
    :math:`FN_c = \sum_{y=c} (1 - p_c)` over the valid pixels of the batch, while training of all
    ranks, and :math:`\mathcal{C}` the classes with a labelled pixel among them.

    Args:
        class_counts: pixels per class; only their number is used.
        fp_weight: :math:`\alpha \ge 0`.
        fn_weight: :math:`\beta > 0`.
        per_image: the mean of the losses of single images in place of the loss of the batch.
    """

    def __init__(
        self, class_counts: Counts, fp_weight: float, fn_weight: float, per_image: bool = False
    ) -> None:
        super().__init__(class_counts)
        check_choice("per_image", per_image, (False, True))
        self.fp_weight = at_least_zero("fp_weight", fp_weight)
        self.fn_weight = in_range("fn_weight", fn_weight, "(0, 1e6]")
        self.per_image = per_image

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        counts = soft_counts(logits, target, self.void)  # (3, N, C)
        if self.per_image:
            images = (counts[2].sum(-1) > 0).sum()
            loss = self.mean(self._of_counts(counts).sum(), self.over_ranks(images))
        elif self.training:
            loss = self._of_counts(differentiable_sum_over_ranks(counts.sum(1)))
            # every rank already has the whole value but only its share of the gradient, and DDP
            # averages gradients: so the gradient is scaled and the value kept
            loss = loss + (world_size() - 1) * (loss - loss.detach())
        else:
            loss = self._of_counts(counts.sum(1))
        return loss.to(logits.dtype)

    def _of_counts(self, counts: Tensor) -> Tensor:
        """``(*,)`` losses of ``(3, *, C)`` counts, 0 where there is no valid pixel."""
        hits, predicted, labelled = counts
        missed = self.fp_weight * (predicted - hits) + self.fn_weight * (labelled - hits)
        present = labelled > 0
        # an absent class would give 0/0, whose NaN gradient no mask can remove
        overlap = hits / torch.where(present, hits + missed, 1)
        total = torch.where(present, 1 - overlap, 0).sum(-1)
        mean: Tensor = total / present.sum(-1).clamp(min=1)
        return mean


def soft_counts(logits: Tensor, target: Tensor, void: int) -> Tensor:
    r"""``(3, N, C)`` per image: :math:`\sum_{y=c} p_c`, :math:`\sum p_c`, pixels of c.

    Only valid pixels count. Sums over the pixels of a class are in float64, because they are added
    one by one and float32 would lose digits.
    """
    p = logits.softmax(1).flatten(2) if logits.ndim > 2 else logits.softmax(1).unsqueeze(2)
    label = target.reshape(len(target), 1, p.shape[2])
    valid = label != void
    label = label.masked_fill(~valid, 0)
    predicted = p.masked_fill(~valid, 0).sum(-1)
    hit = p.gather(1, label).masked_fill(~valid, 0).squeeze(1)
    zeros = torch.zeros(p.shape[:2], dtype=widest_float(p.device), device=p.device)
    hits = zeros.scatter_add(1, label.squeeze(1), hit.to(zeros.dtype))
    labelled = zeros.scatter_add(1, label.squeeze(1), valid.squeeze(1).to(zeros.dtype))
    return torch.stack([hits, predicted.to(zeros.dtype), labelled])
