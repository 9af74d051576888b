"""Cross-entropy weighted by the inverse class frequency."""

from lit_seg.losses.base import Counts
from lit_seg.losses.frequency import Scheme, frequency_weights
from lit_seg.losses.pixelwise import Normalizer, PixelLoss


class InverseFrequencyLoss(PixelLoss):
    r"""Cross-entropy with a fixed weight per class, by default :math:`w_c \propto 1 / f_c`.

    .. math:: L = -\frac{1}{Z} \sum_n w_{y_n} \log p_n

    so that every class has the same share in the loss (Eq. 2 of arXiv 2106.14917): recall of rare
    classes rises, and so do their false positives.

    Args:
        class_counts: pixels per class; ``segnet`` needs a :class:`ClassCounts` with images.
        scheme: ``inverse``, ``sqrt_inverse``, ``median``, ``segnet`` or ``enet``, which are five
            different things: see :func:`~lit_seg.losses.frequency.frequency_weights`.
        normalizer: ``"valid"`` pixels or their ``"weight_sum"`` (what torch's own ``weight`` does).

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Raises:
        ValueError: if an argument is out of range or the counts do not hold what the scheme needs.

    Reference: Eq. 2 of arXiv 2106.14917. The paper's code takes ``median``, over frequencies that
    it counts in the first image of each *validation* batch.

    Example:
        >>> loss = InverseFrequencyLoss(class_counts=[90, 10])
        >>> loss.weight
        tensor([0.5556, 5.0000], dtype=torch.float64)
    """

    def __init__(
        self, class_counts: Counts, scheme: Scheme = "inverse", normalizer: Normalizer = "valid"
    ) -> None:
        super().__init__(class_counts, normalizer=normalizer)
        self.class_weight = frequency_weights(class_counts, scheme)
