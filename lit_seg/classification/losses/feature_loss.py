"""The base of losses over features: distances need more digits than half precision has."""

import torch
from torch import Tensor, nn

from lit_seg.ops.precision import wide_dtype


class FeatureLoss(nn.Module):
    """Base of the losses of ``(B, D)`` features and ``(B,)`` labels, which are computed in float32.

    Half precision, as autocast gives it, has three digits; float64 stays float64.
    """

    def forward(self, features: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch, a scalar."""
        with torch.autocast(features.device.type, enabled=False):
            return self.loss(features.to(wide_dtype(features)), target)

    def loss(self, features: Tensor, target: Tensor) -> Tensor:
        """The loss of features of at least float32."""
        raise NotImplementedError
