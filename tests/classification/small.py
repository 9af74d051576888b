"""A backbone of a few weights, and batches for it."""

import torch
from torch import nn

from lit_seg.classification.networks.backbone import Backbone

COUNTS = [40, 10, 4]


def backbone(dim: int = 5, neck_dim: int | None = None) -> Backbone:
    """Two convolutions with batch norm, of which the second is the last block."""
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
    return Backbone(trunk, nn.Sequential(nn.Conv2d(4, dim, 2), nn.BatchNorm2d(dim)), dim, neck_dim)


def batch(seed: int, size: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of 6x6 and labels."""
    draw = torch.Generator().manual_seed(seed)
    images = torch.randn(size, 1, 6, 6, generator=draw)
    return images, torch.randint(len(COUNTS), (size,), generator=draw)


def gradients(module: nn.Module) -> dict[str, torch.Tensor | None]:
    """The gradient of each parameter by name; None where none arrived."""
    return {name: parameter.grad for name, parameter in module.named_parameters()}
