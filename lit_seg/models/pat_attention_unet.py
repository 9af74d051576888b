"""The Attention U-Net of PAT's published code."""

import torch
from torch import Tensor, nn

from lit_seg.models.convolutions import (
    check_width,
    conv_bn_relu,
    double_conv,
    down_path,
    features_of,
    widths_of,
)

_LAST_GATE = 32
"""Channels within the gate at full resolution in PAT's code, whatever the width."""


class PatAttentionUNet(nn.Module):
    """U-Net whose skip connections are weighed by the decoder's features, as in PAT's code.

    In Oktay et al. (MIDL 2018) the gating signal comes from the coarser level and the weights are
    resampled, the network is three-dimensional and has deep supervision. Here the signal is first
    enlarged to the size of the skip connection. A gate has half the channels of its level within,
    but the one at full resolution always 32 in PAT's code, which is half of a width of 64.

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
        self.down = down_path(channels, widths, bias=True)
        self.up = nn.ModuleList(
            nn.Sequential(nn.Upsample(scale_factor=2), conv_bn_relu(2 * each, each, bias=True))
            for each in widths[:-1]
        )
        self.gate = nn.ModuleList(
            _Gate(each, each // 2 if level else _LAST_GATE)
            for level, each in enumerate(widths[:-1])
        )
        self.merge = nn.ModuleList(double_conv(2 * each, each, bias=True) for each in widths[:-1])
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Compute ``(N, classes, H, W)`` logits of ``(N, channels, H, W)``, multiples of 16."""
        skips = features_of(self.down, image)
        x = skips[-1]
        for level in (3, 2, 1, 0):
            x = self.up[level](x)
            x = self.merge[level](torch.cat((self.gate[level](x, skips[level]), x), 1))
        logits: Tensor = self.head(x)
        return logits


class _Gate(nn.Module):
    """Weighs each place of a skip connection by a number in [0, 1]."""

    def __init__(self, width: int, within: int) -> None:
        super().__init__()
        self.of_signal = _norm_conv(width, within)
        self.of_skip = _norm_conv(width, within)
        self.weight = nn.Sequential(nn.ReLU(inplace=True), _norm_conv(within, 1), nn.Sigmoid())

    def forward(self, signal: Tensor, skip: Tensor) -> Tensor:
        weight: Tensor = self.weight(self.of_signal(signal) + self.of_skip(skip))
        return skip * weight


def _norm_conv(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))
