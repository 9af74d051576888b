"""Cross-entropy weighted by the inverse of the effective number of samples."""

from lit_seg.losses.base import Counts
from lit_seg.losses.frequency import Unit, class_balanced_weights
from lit_seg.losses.pixelwise import Normalizer, PixelLoss


class ClassBalancedLoss(PixelLoss):
    r"""Cross-entropy with :math:`w_c = (1 - \beta) / (1 - \beta^{n_c})`, scaled to sum to C.

    Args:
        class_counts: pixels per class, or a :class:`ClassCounts`.
        beta: in [0, 1): 0 weighs all classes alike, towards 1 by inverse frequency. By default
            :math:`(N - 1) / N` with N all samples. The .9999 of the paper is for image counts: with
            pixel counts it weighs all classes alike, and a warning says so.
        unit: whether a sample is one of the ``"pixels"``, or of the ``"images"`` with the class.
        normalizer: ``"valid"`` pixels or their ``"weight_sum"``.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Raises:
        ValueError: if an argument is out of range, or images are not counted.

    Reference: Cui et al., *Class-Balanced Loss Based on Effective Number of Samples*,
    arXiv 1901.05555, Eq. 2 and section 4.

    Example:
        >>> loss = ClassBalancedLoss(class_counts=[90, 10])
        >>> loss.weight
        tensor([0.2768, 1.7232], dtype=torch.float64)
    """

    def __init__(
        self,
        class_counts: Counts,
        beta: float | None = None,
        unit: Unit = "pixels",
        normalizer: Normalizer = "valid",
    ) -> None:
        super().__init__(class_counts, normalizer=normalizer)
        self.class_weight = class_balanced_weights(class_counts, beta, unit)
