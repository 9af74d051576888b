"""The U-Net++ of PAT's published code, which calls it NestedUNet."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from lit_seg.models.convolutions import check_width, double_conv, halve, widths_of


class PatUNetPlusPlus(nn.Module):
    """U-Net++ without deep supervision, as in PAT's code.

    Zhou et al. (DLMIA 2018) train a head on each node at full resolution; here the last node alone
    has one. Features are enlarged by bilinear interpolation, without a convolution after it.

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
        self.nodes = nn.ModuleDict()
        for level, own in enumerate(widths):
            above = widths[level - 1] if level else channels
            self.nodes[f"{level}_0"] = double_conv(above, own, bias=True)
            for step in range(1, 5 - level):
                inputs = step * own + widths[level + 1]
                self.nodes[f"{level}_{step}"] = double_conv(inputs, own, bias=True)
        self.head = nn.Conv2d(width, num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Compute ``(N, classes, H, W)`` logits of ``(N, channels, H, W)``, multiples of 16."""
        rows: list[list[Tensor]] = []  # the nodes of each level, from full resolution on
        for depth in range(5):
            x = halve(rows[-1][0]) if rows else image
            rows.append([self.nodes[f"{depth}_0"](x)])
            # each new level gives one more node to all levels above it
            for level in reversed(range(depth)):
                below = interpolate(
                    rows[level + 1][-1], scale_factor=2.0, mode="bilinear", align_corners=True
                )
                node = self.nodes[f"{level}_{depth - level}"]
                rows[level].append(node(torch.cat((*rows[level], below), 1)))
        logits: Tensor = self.head(rows[0][-1])
        return logits
