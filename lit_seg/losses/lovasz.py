"""Lovász-softmax: the piecewise linear surrogate of the Jaccard index."""

import torch
from torch import Tensor

from lit_seg.errors import check_choice
from lit_seg.losses.base import Counts, SegLoss
from lit_seg.ops.precision import widest_float


class LovaszSoftmaxLoss(SegLoss):
    r"""The mean over the classes present of the Lovász extension of their Jaccard loss.

    For class c the errors :math:`m_n = |[y_n = c] - p_{n,c}|` of all valid pixels are sorted,
    largest first, and summed with the weights :math:`J_k - J_{k-1}`, where :math:`J_k` is the
    Jaccard loss if the first k pixels of that order were wrong.

    Args:
        class_counts: pixels per class; only their number is used.
        per_image: the mean over images in place of the loss of the batch.

    Each rank sorts its own pixels, so a batch spread over ranks does not give the loss of one
    process; with ``per_image`` it does. All pixels are sorted once per class, which takes 25 times
    the time of cross-entropy (`make bench`).

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar in [0, 1].

    Reference: Berman et al., *The Lovász-Softmax loss*, arXiv 1705.08790, Eq. 9 and Algorithm 1.
    The implementation in kornia is wrong (.226 in place of .807), although its gradients pass
    gradcheck.

    Example:
        >>> import torch
        >>> loss = LovaszSoftmaxLoss(class_counts=[90, 10])
        >>> round(loss(torch.zeros(1, 2, 5), torch.tensor([[0, 0, 1, 1, 255]])).item(), 4)
        0.5
    """

    def __init__(self, class_counts: Counts, per_image: bool = False) -> None:
        super().__init__(class_counts)
        check_choice("per_image", per_image, (False, True))
        self.per_image = per_image

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        p = logits.softmax(1)
        images = [(p, target)]
        if self.per_image and len(target):
            images = list(zip(p.unsqueeze(1), target.unsqueeze(1), strict=True))
        parts = [self._of_pixels(*image) for image in images]
        number = sum(found for _, found in parts)
        count = torch.tensor(number, device=logits.device)
        return self.mean(torch.stack([loss for loss, _ in parts]).sum(), self.over_ranks(count))

    def _of_pixels(self, p: Tensor, target: Tensor) -> tuple[Tensor, int]:
        """The loss of ``(N, C, *)`` probabilities, and 1, or 0 where no pixel is valid."""
        valid = (target != self.void).flatten()
        label = target.flatten()[valid]
        p = p.movedim(1, 0).flatten(1)[:, valid]  # (C, P)
        present = torch.bincount(label, minlength=self.num_classes).nonzero().flatten().tolist()
        if not present:
            return p.sum(), 0  # 0, still attached to the graph
        losses = [lovasz((label == c), p[c]) for c in present]
        return torch.stack(losses).mean(), 1


def lovasz(labelled: Tensor, p: Tensor) -> Tensor:
    """The Lovász extension of the Jaccard loss of one class, ``(P,)`` labels and probabilities."""
    errors, order = (labelled.to(p.dtype) - p).abs().sort(descending=True)
    labelled = labelled[order]
    # whole numbers: float32 would stop counting at 16.7 million pixels
    hits = labelled.sum() - labelled.cumsum(0)
    union = labelled.sum() + (~labelled).cumsum(0)
    jaccard = 1 - hits.to(widest_float(p.device)) / union
    # differences in float64, because neighbours differ by about one part in the number of pixels;
    # and no dot product, which adds one by one and loses digits
    return (errors * jaccard.diff(prepend=jaccard.new_zeros(1)).to(p.dtype)).sum()
