"""Deferred re-weighting: train plainly first, balance the classes towards the end."""

import torch
from torch import Tensor

from lit_seg.losses.base import Counts, LossFactory, SegLoss, build_loss, in_range
from lit_seg.losses.frequency import Unit, class_balanced_weights


class DeferredReweightingLoss(SegLoss):
    r"""A loss that weighs all classes alike until ``start`` and is class-balanced afterwards.

    After ``start``, sum and divisor of the mean over pixels are weighted by :math:`w_c \propto
    (1 - \beta) / (1 - \beta^{n_c})`, on top of what the loss itself does. (PAT still divides by
    images, and OHEM by the number of pixels that it keeps.)

    Args:
        class_counts: pixels per class.
        loss: makes the loss; any mean over pixels, such as ``LDAMLoss`` or ``FocalLoss``.
        start: fraction of the training after which classes are weighed, in [0, 1].
        beta: as in :class:`ClassBalancedLoss`.
        unit: as in :class:`ClassBalancedLoss`.

    The state holds whether re-weighting has started, so that a checkpoint is scored as it was in
    training.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Raises:
        ValueError: if an argument is out of range, or the loss takes no class weights.

    Reference: Cao et al., arXiv 1906.07413, Algorithm 1 and their schedule, epoch 160 of 200. In
    their Focal-DRW the class weight enters the probability as well, :math:`p^{w_c}` in place of p,
    and the sum is divided by the number of samples.

    Example:
        >>> from functools import partial
        >>> from lit_seg.losses import LDAMLoss
        >>> loss = DeferredReweightingLoss([90, 10], loss=partial(LDAMLoss, scale=1.0))
        >>> loss.class_stats()["weight"]
        tensor([1., 1.], dtype=torch.float64)
        >>> loss.set_progress(0.8)
        >>> loss.class_stats()["weight"]
        tensor([0.2768, 1.7232], dtype=torch.float64)
    """

    as_they_are = True
    balanced: Tensor
    given_weight: Tensor | None
    started: Tensor

    def __init__(
        self,
        class_counts: Counts,
        loss: LossFactory,
        start: float = 0.8,
        beta: float | None = None,
        unit: Unit = "pixels",
    ) -> None:
        super().__init__(class_counts)
        self.start = in_range("start", start, "[0, 1]")
        self.part = build_loss(loss, class_counts)
        self.register_buffer(
            "balanced", class_balanced_weights(class_counts, beta, unit), persistent=False
        )
        self.register_buffer("started", torch.tensor(start == 0))
        self.register_buffer("given_weight", None, persistent=False)
        self._weigh()

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        self._weigh()
        return self.of_part(self.part, logits, target)

    def set_progress(self, done: float) -> None:
        super().set_progress(done)
        self.started.fill_(done >= self.start)
        self.part.set_progress(done)

    def set_class_weight(self, weight: Tensor) -> None:
        """Weigh the classes from the start; the balance comes on top."""
        self.part.set_class_weight(weight)  # which looks at it
        self.given_weight = weight.to(self.balanced.device)

    def class_stats(self) -> dict[str, Tensor]:
        """What the wrapped loss logs, with the weight of each class."""
        self._weigh()
        return self.part.class_stats()

    def _weigh(self) -> None:
        weight = torch.where(self.started, self.balanced, 1.0)
        given = self.given_weight
        self.part.set_class_weight(weight if given is None else weight * given)
