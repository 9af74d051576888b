"""The U-Net of PAT's published code."""

import torch
from torch import Tensor, nn

from lit_seg.models.convolutions import check_width, double_conv, down_path, features_of, widths_of


class PatUNet(nn.Module):
    """U-Net with batch norm and padded convolutions, as in PAT's code.

    Ronneberger et al. (MICCAI 2015) have neither, so that their output is smaller than the image,
    and 64 channels at full resolution. It has no pretrained encoder, and skips from full resolution
    on, both unlike smp's ``unet``. Where the published code pads each feature map to that of its
    skip connection, the image is padded here once.

    Args:
        num_classes: of the logits.
        channels: of the image.
        width: channels at full resolution; they double with each halving.
    """

    size_multiple = 16

    def __init__(self, num_classes: int, channels: int, *, width: int = 32) -> None:
        super().__init__()
        check_width(width)
        widths = widths_of(width)
        self.down = down_path(channels, widths)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(2 * each, each, 2, stride=2) for each in widths[:-1]
        )
        self.merge = nn.ModuleList(double_conv(2 * each, each) for each in widths[:-1])
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Compute ``(N, classes, H, W)`` logits of ``(N, channels, H, W)``, multiples of 16."""
        skips = features_of(self.down, image)
        x = skips[-1]
        for level in (3, 2, 1, 0):
            x = self.merge[level](torch.cat((skips[level], self.up[level](x)), 1))
        logits: Tensor = self.head(x)
        return logits
