"""What the losses share that weigh a class by how well the model does on it now."""

from torch import Tensor

from lit_seg.losses.pixelwise import PixelLoss, class_pixels
from lit_seg.metrics.class_score import ClassScore


class ScoreWeightedLoss(PixelLoss):
    """Base of the losses whose class weights follow a score of hard predictions.

    A subclass makes :attr:`state` and says what its scores weigh. A step in training mode moves the
    state by the counts of all ranks, in one exchange; eval mode uses it and changes nothing.
    """

    state: ClassScore

    def weigh(self, logits: Tensor, target: Tensor) -> tuple[Tensor | None, Tensor]:
        if self.training:
            self.state.update_counts(self.state.count_logits(logits, target))
            support = self.state.advance()[1]
        else:
            support = class_pixels(target, self.num_classes, self.void)
        return self.weight, self.norm(support)
