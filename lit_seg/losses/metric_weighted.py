"""Recall loss with another metric in place of recall: the ablation that shows why it is recall."""

from typing import Literal

from torch import Tensor

from lit_seg.errors import check_choice
from lit_seg.losses.base import Counts, at_least_zero
from lit_seg.losses.pixelwise import Normalizer, ScoreWeightedLoss
from lit_seg.metrics.class_tversky import ClassTversky

_FP_AND_FN = {
    "recall": (0.0, 1.0),
    "precision": (1.0, 0.0),
    "dice": (0.5, 0.5),
    "jaccard": (1.0, 1.0),
}


class MetricWeightedLoss(ScoreWeightedLoss):
    r"""Cross-entropy weighted per class by 1 - a metric of the class.

    .. math::

        w_c = 1 - \frac{TP_c}{TP_c + \alpha FP_c + \beta FN_c}
            = \frac{\alpha FP_c + \beta FN_c}{TP_c + \alpha FP_c + \beta FN_c}

    Only recall, :math:`(\alpha, \beta) = (0, 1)`, keeps false positives out of the numerator. With
    any other metric a class that is predicted too often gains weight. With precision nothing holds
    it back then: in ``experiments/metric_weights.py`` false positives grow to twenty times those of
    recall, with Dice and Jaccard to less than twice. A loss to learn from, not to use.

    Args:
        class_counts: pixels per class; only their number is used.
        metric: ``recall`` (then this is :class:`RecallLoss`), ``precision``, ``dice`` (which
            is F1), ``jaccard`` or ``tversky``.
        momentum: share of the old metric that is kept, in [0, 1); 0 is the step's own.
        fp_weight: :math:`\alpha` of ``tversky``.
        fn_weight: :math:`\beta` of ``tversky``.
        normalizer: ``"valid"`` pixels or their ``"weight_sum"``.

    The metric is of hard predictions in the current step, over all ranks, and a constant for the
    gradient. Where it is not defined (the precision of a class that is not predicted) a class keeps
    the weight that it had, 1 at first.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Reference: arXiv 2106.14917, section 3.3, Table 1 (Boolean forms) and Eq. 9, which lacks its
    minus.

    Example:
        >>> import torch
        >>> loss = MetricWeightedLoss(class_counts=[90, 10], metric="precision")
        >>> logits = torch.tensor([[[2.0, 2.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0]]])
        >>> value = loss(logits, torch.tensor([[0, 0, 0, 1]]))
        >>> loss.class_stats()["weight"]  # class 0 is predicted once too often, class 1 never
        tensor([0.2500, 1.0000], dtype=torch.float64)
    """

    def __init__(
        self,
        class_counts: Counts,
        metric: Literal["recall", "precision", "dice", "jaccard", "tversky"] = "precision",
        momentum: float = 0.0,
        fp_weight: float = 0.3,
        fn_weight: float = 0.7,
        normalizer: Normalizer = "valid",
    ) -> None:
        super().__init__(class_counts, normalizer=normalizer)
        check_choice("metric", metric, (*_FP_AND_FN, "tversky"))
        if metric != "tversky" and (fp_weight, fn_weight) != (0.3, 0.7):
            raise ValueError(
                f"`fp_weight` and `fn_weight` belong to `metric` 'tversky', got {metric!r} with "
                f"{fp_weight} and {fn_weight}"
            )
        for name, weight in (("fp_weight", fp_weight), ("fn_weight", fn_weight)):
            at_least_zero(name, weight)
        fp_weight, fn_weight = _FP_AND_FN.get(metric, (fp_weight, fn_weight))
        self.state = ClassTversky(self.num_classes, fp_weight, fn_weight, momentum)

    @property
    def weight(self) -> Tensor:
        """``(C,)`` the weights that the stored metric gives."""
        return self.on_given((1 - self.state.value).nan_to_num(nan=1.0))

    def class_stats(self) -> dict[str, Tensor]:
        """The metric (NaN until it was defined once) and weight of each class, of the last step."""
        return {"metric": self.state.value, "weight": self.weight}
