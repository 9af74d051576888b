"""The mean of a value over pixels, when batches hold different numbers of them."""

import torch
from torch import Tensor

from lit_seg.metrics.full_precision import FullPrecisionMetric


class PixelMean(FullPrecisionMetric):
    """Mean over all pixels of all batches and ranks, given each batch's mean and pixel count.

    The mean of batch means would count a pixel more in a batch with much void.
    """

    total: Tensor

    def __init__(self) -> None:
        super().__init__()
        # (sum, pixels) in one state, since each state is gathered by itself; float64, since a
        # validation pass over 500 images of 2 megapixels has 10^9 pixels
        self.add_state("total", torch.zeros(2, dtype=torch.float64), "sum")

    def update(self, mean: Tensor, pixels: Tensor) -> None:
        """Add a batch whose ``pixels`` valid pixels have this mean."""
        wide = self.total.dtype
        self.total += torch.stack([mean.to(wide) * pixels, pixels.to(wide)])

    def compute(self) -> Tensor:
        """The mean over pixels, NaN when there were none."""
        return self.total[0] / self.total[1]
