"""Recall loss: cross-entropy weighted by how much of each class the model misses now."""

from torch import Tensor

from lit_seg.errors import check_choice
from lit_seg.losses.base import Counts, in_range
from lit_seg.losses.pixelwise import Normalizer, ScoreWeightedLoss
from lit_seg.metrics.class_recall import ClassRecall


class RecallLoss(ScoreWeightedLoss):
    r"""Cross-entropy weighted per class by 1 - recall, so weights follow performance.

    .. math::

        L = -\frac{1}{Z} \sum_n w_{y_n} \log p_n, \qquad
        w_c = 1 - R_c = \frac{FN_c}{FN_c + TP_c}

    with recall from hard argmax predictions of the current step, over all ranks. The weights are
    constants for the gradient. A step is one call in training mode, so each batch under gradient
    accumulation. In eval mode the stored recall is used and not changed. A class that was never
    seen has the weight ``max_weight``, which is 1 by default.

    Args:
        class_counts: pixels per class; only their number is used.
        momentum: 0 is the paper, this step's recall. Above 0 the recall is an exponential moving
            average with this share of the old value, updated for the classes present only.
        normalizer: ``Z``. ``"valid"`` divides by the number of valid pixels, so the loss shrinks
            as recall rises; ``"weight_sum"`` by the summed weights of the valid pixels, where a
            factor common to all weights cancels.
        floor_one: count at least one miss for every class, as the published code does: a class
            without a miss then weighs 1 / N_c in place of 0.
        min_weight: lower bound of the weights, so that a well recalled class keeps a gradient.
        max_weight: upper bound of the weights.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Reference: Tian et al., *Striking the Right Balance*, arXiv 2106.14917, Eq. 4-5 (a sum there,
    a mean here and in the authors' code).

    The authors' code (github.com/PotatoTian/recall-semseg at a3f7fc3) differs: it floors the
    misses at one (``floor_one=True``), and fails on any void pixel, on fewer than two labels and
    on fewer than two labels with misses. Its second file, which its training does not use, smooths
    with ``momentum=0.5`` and divides by the summed weights.

    Example:
        >>> import torch
        >>> loss = RecallLoss(class_counts=[90, 10])
        >>> logits = torch.tensor([[[2.0, 2.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0]]])
        >>> value = loss(logits, torch.tensor([[0, 0, 0, 1]]))  # class 1 is missed
        >>> loss.class_stats()["weight"]
        tensor([0., 1.], dtype=torch.float64)
        >>> round(value.item(), 4)  # 1/4 of that pixel's cross-entropy
        0.5317
    """

    state: ClassRecall

    def __init__(
        self,
        class_counts: Counts,
        momentum: float = 0.0,
        normalizer: Normalizer = "valid",
        floor_one: bool = False,
        min_weight: float = 0.0,
        max_weight: float = 1.0,
    ) -> None:
        super().__init__(class_counts, normalizer=normalizer)
        self.min_weight = in_range("min_weight", min_weight, "[0, 1]")
        self.max_weight = in_range("max_weight", max_weight, "(0, 1]")
        check_choice("floor_one", floor_one, (False, True))
        if min_weight > max_weight:
            raise ValueError(
                f"`min_weight` must be at most `max_weight`, got {min_weight} and {max_weight}"
            )
        self.state = ClassRecall(self.num_classes, momentum, min_misses=int(floor_one))

    @property
    def weight(self) -> Tensor:
        """``(C,)`` weights from the stored recall."""
        weight = (1 - self.state.recall).nan_to_num(nan=1.0)
        return self.on_given(weight.clamp(self.min_weight, self.max_weight))

    def class_stats(self) -> dict[str, Tensor]:
        """Recall (NaN until a class is seen) and weight of each class, of the last step."""
        return {"recall": self.state.recall, "weight": self.weight}
