"""A small network for small grey images, such as the 8x8 digits of scikit-learn."""

from torch import nn

from lit_seg.classification.networks.backbone import Backbone
from lit_seg.classification.networks.resnet32 import BasicBlock, kaiming, stem
from lit_seg.losses.base import in_range


def digits_net(channels: int = 1, width: int = 16, stride: int = 1) -> Backbone:
    """One block at full size and one at half of it; the features are ``2 * width`` numbers.

    Args:
        channels: of an image.
        width: channels of the first block.
        stride: of the first convolution; 2 where images are larger than 8x8, of which a feature
            would see too small a part: 13 pixels with stride 1, 23 with stride 2.

    Raises:
        ValueError: if a number is below 1.
    """
    in_range("width", width, "[1, 1024]")
    in_range("stride", stride, "[1, 1024]")
    trunk = nn.Sequential(*stem(channels, width, stride), BasicBlock(width, width))
    return Backbone(trunk, BasicBlock(width, 2 * width, stride=2), 2 * width).apply(kaiming)
