"""Balancing logit variation: noise on the logits, more of it where a class is rarer."""

from typing import Literal

import torch
from torch import Tensor

from lit_seg.errors import check_choice
from lit_seg.losses.base import Counts, at_least_zero
from lit_seg.losses.logit_adjustment import log_prior
from lit_seg.losses.pixelwise import PixelLoss
from lit_seg.ops.adjustment import per_class


class BLVLoss(PixelLoss):
    r"""Cross-entropy of :math:`z_i + |\delta| c_i / \max_j c_j`, with :math:`c_i = -\log \pi_i`.

    The noise :math:`\delta`, cut to [-1, 1], is drawn afresh for each pixel and logit while
    training. In eval mode there is none, and the loss is plain cross-entropy.

    Args:
        class_counts: pixels per class; a class without pixels is taken as if it had one.
        sigma: size of the noise, at least 0.
        noise: ``"gaussian"`` draws from N(0, sigma²). ``"uniform"`` draws from [-sigma, sigma] and
            ``"xavier"`` by torch's ``xavier_normal_`` with gain sigma, as if the logits were
            weights: the PAT paper names both, no public code has them, and this is our reading.

    Shapes: ``(N, C, *)`` logits and ``(N, *)`` labels to a scalar.

    Raises:
        ValueError: if an argument is out of range or there are no pixels.

    Reference: Wang et al., *Balancing Logit Variation for Long-tailed Semantic Segmentation*,
    arXiv 2306.02061, Eq. 5-6; sigma .5 is the PAT paper's. With the authors' sigma 4 four of five
    draws are cut to 1. The copy in github.com/KhoiDOO/ibla gives more noise to *frequent* classes.

    Example:
        >>> import torch
        >>> loss = BLVLoss(class_counts=[90, 10])
        >>> loss.class_stats()["noise"]
        tensor([0.0458, 1.0000], dtype=torch.float64)
        >>> round(loss.eval()(torch.zeros(1, 2, 2), torch.tensor([[1, 255]])).item(), 4)
        0.6931
    """

    noise_scale: Tensor

    def __init__(
        self,
        class_counts: Counts,
        sigma: float = 0.5,
        noise: Literal["gaussian", "uniform", "xavier"] = "gaussian",
    ) -> None:
        super().__init__(class_counts)
        self.sigma = at_least_zero("sigma", sigma)
        check_choice("noise", noise, ("gaussian", "uniform", "xavier"))
        self.noise = noise
        scale = -log_prior(class_counts)
        self.register_buffer("noise_scale", scale / scale.max(), persistent=False)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        return super().loss(self.noisy(logits), target)

    def noisy(self, logits: Tensor) -> Tensor:
        """Logits with noise, while training."""
        if not self.training or self.sigma == 0 or logits.numel() == 0:
            return logits
        return logits + self.draw(logits).clamp(-1, 1).abs() * per_class(self.noise_scale, logits)

    def draw(self, logits: Tensor) -> Tensor:
        """The noise, in the shape of the logits."""
        if self.noise == "gaussian":
            return torch.randn_like(logits) * self.sigma
        if self.noise == "uniform":
            return torch.empty_like(logits).uniform_(-self.sigma, self.sigma)
        return torch.nn.init.xavier_normal_(torch.empty_like(logits), gain=self.sigma)

    def class_stats(self) -> dict[str, Tensor]:
        """The size of each class's noise, and its weight if it was given one."""
        return {**super().class_stats(), "noise": self.noise_scale}
