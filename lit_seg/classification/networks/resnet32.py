"""The ResNet-32 of CIFAR, with shortcuts that have no parameters."""

import torch.nn.functional as F
from torch import Tensor, nn

from lit_seg.classification.networks.backbone import Backbone


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut without parameters (option A of the paper).

    Where the block has a stride the shortcut takes every other place, and where it has more
    channels than its input zeros surround those of the input.

    Args:
        before: channels of the input.
        channels: channels of the output, ``before`` or more.
        stride: 1 or 2.
    """

    def __init__(self, before: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride = stride
        self.added = ((channels - before) // 2, channels - before - (channels - before) // 2)
        """How many channels of zeros lie below and above those of the input."""

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        shortcut = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.added))
        return F.relu(self.bn2(self.conv2(y)) + shortcut)


def resnet32(channels: int = 3) -> Backbone:
    """Three stages of five blocks with 16, 32 and 64 channels; the features are 64 numbers.

    With a linear head it has 464,154 parameters for 10 classes, as in the code of LDAM-DRW.

    Args:
        channels: of an image.

    Reference: He et al., *Deep Residual Learning*, arXiv 1512.03385, section 4.2.
    """
    blocks = [
        BasicBlock(width // 2 if first and width > 16 else width, width, 1 + (first and width > 16))
        for width in (16, 32, 64)
        for first in (True, False, False, False, False)
    ]
    return Backbone(nn.Sequential(*stem(channels, 16), *blocks[:-1]), blocks[-1], 64).apply(kaiming)


def stem(channels: int, width: int, stride: int = 1) -> list[nn.Module]:
    """A 3x3 convolution of the images with batch norm and ReLU."""
    conv = nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]


def kaiming(module: nn.Module) -> None:
    """Draw the weights of a convolution as He et al. do; for ``Module.apply``."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight)
