"""LDAM: a margin around the true class that is wider where the class is rarer."""

import torch
from torch import Tensor

from lit_seg.losses.base import Counts, at_least_zero, in_range
from lit_seg.losses.frequency import pixels_of
from lit_seg.losses.pixelwise import PixelLoss


class LDAMLoss(PixelLoss):
    r"""Cross-entropy of :math:`s (z - m_y e_y)`: the true logit must win by a margin.

    .. math:: m_c = m_{max} \cdot \frac{n_c^{-1/4}}{\max_j n_j^{-1/4}}

    Args:
        class_counts: pixels per class; a class without pixels has the widest margin.
        max_margin: of the rarest class, at least 0.
        scale: s, from 1e-6 to 1e6.

    The paper pairs the loss with a cosine classifier, whose logits lie in [-1, 1]; the scale makes
    up for that. With the plain logits of a segmentation network it sharpens the softmax s times,
    and gradients grow with it: the PAT paper took 20, the authors 30.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Raises:
        ValueError: if an argument is out of range or there are no pixels.

    Reference: Cao et al., *Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss*,
    arXiv 1906.07413, Eq. 13. In their code one class without samples makes its margin NaN and all
    others 0.

    Example:
        >>> import torch
        >>> loss = LDAMLoss(class_counts=[160000, 16], scale=1.0)
        >>> loss.class_stats()["margin"]
        tensor([0.0500, 0.5000], dtype=torch.float64)
        >>> round(loss(torch.zeros(1, 2, 2), torch.tensor([[1, 255]])).item(), 4)  # log(1 + e^.5)
        0.9741
    """

    margin: Tensor

    def __init__(self, class_counts: Counts, max_margin: float = 0.5, scale: float = 20.0) -> None:
        super().__init__(class_counts)
        at_least_zero("max_margin", max_margin)
        self.scale = in_range("scale", scale, "[1e-6, 1e6]")
        pixels = pixels_of(class_counts)
        rarest = pixels[pixels > 0].min()
        margin = max_margin * (rarest / pixels.clamp(min=1)) ** 0.25
        margin = torch.where(pixels > 0, margin, max_margin)
        self.register_buffer("margin", margin, persistent=False)

    def own_margin(self) -> Tensor:
        return self.scale * self.margin

    def class_stats(self) -> dict[str, Tensor]:
        """The margin of each class, and its weight if it was given one."""
        return {**super().class_stats(), "margin": self.margin}
