"""A weighted sum of several losses."""

from typing import cast

import torch
from torch import Tensor, nn

from lit_seg.losses.base import Counts, LossFactory, SegLoss, at_least_zero, build_loss


class WeightedSumLoss(SegLoss):
    r"""The sum :math:`\sum_k \lambda_k L_k` of other losses, such as cross-entropy and soft Dice.

    Args:
        class_counts: pixels per class.
        losses: loss classes or factories.
        factors: :math:`\lambda_k \ge 0`, one per loss; all 1 by default.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Raises:
        ValueError: if there are no losses, or the factors do not fit them or are negative.

    Example:
        >>> import torch
        >>> from lit_seg.losses import CrossEntropyLoss, SoftDiceLoss
        >>> loss = WeightedSumLoss([90, 10], [CrossEntropyLoss, SoftDiceLoss], factors=[1.0, 2.0])
        >>> round(loss(torch.zeros(1, 2, 5), torch.tensor([[0, 0, 1, 1, 255]])).item(), 4)
        1.6931
    """

    as_they_are = True

    def __init__(
        self, class_counts: Counts, losses: list[LossFactory], factors: list[float] | None = None
    ) -> None:
        super().__init__(class_counts)
        factors = [1.0] * len(losses) if factors is None else list(factors)
        if not losses:
            raise ValueError("`losses` must hold at least one loss")
        if len(factors) != len(losses):
            raise ValueError(
                f"`factors` must be {len(losses)} numbers >= 0, one per loss, got {factors}"
            )
        self.factors = [at_least_zero("factors", factor) for factor in factors]
        self._losses = nn.ModuleList([build_loss(loss, class_counts) for loss in losses])

    @property
    def parts(self) -> list[SegLoss]:
        return cast(list[SegLoss], list(self._losses))

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        values = [self.of_part(part, logits, target) for part in self.parts]
        return torch.stack([f * value for f, value in zip(self.factors, values, strict=True)]).sum()

    def set_progress(self, done: float) -> None:
        super().set_progress(done)
        for part in self.parts:
            part.set_progress(done)

    def set_class_weight(self, weight: Tensor) -> None:
        for part in self.parts:
            part.set_class_weight(weight)

    def class_stats(self) -> dict[str, Tensor]:
        """What the losses log; ``weight_1`` is the second loss's, if the first has weights too."""
        stats: dict[str, Tensor] = {}
        for k, part in enumerate(self.parts):
            for name, stat in part.class_stats().items():
                stats[f"{name}_{k}" if name in stats else name] = stat
        return stats
