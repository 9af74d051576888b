"""The base of losses that weigh a class by the model's current score on it."""

from torch import Tensor

from lit_seg.losses.pixelwise import PixelLoss, class_pixels
from lit_seg.metrics.class_score import ClassScore


class ScoreWeightedLoss(PixelLoss):
    """Base of the losses whose class weights follow a score of hard predictions.

    A subclass sets :attr:`state` and derives weights from its scores. In training mode a step
    updates the state by the counts of all ranks, in one exchange; in eval mode the state is used
    and not changed.
    """

    state: ClassScore

    def weigh(self, logits: Tensor, target: Tensor) -> tuple[Tensor | None, Tensor]:
        if self.training:
            self.state.update_counts(self.state.count_logits(logits, target))
            support = self.state.advance()[1]
        else:
            support = class_pixels(target, self.num_classes, self.void)
        return self.weight, self.norm(support)
