"""The DeepLab of the recall-loss paper's published code, over torchvision's ResNet."""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models.resnet import Bottleneck, ResNet

from lit_seg.models.convolutions import conv_bn_relu

BLOCKS = {"resnet18": [2, 2, 2, 3], "resnet50": [3, 4, 6, 3], "resnet101": [3, 4, 23, 3]}
"""Bottleneck blocks of the four stages. The published code has no choice of ResNet50."""
_MULTI_GRID = (2, 4, 8)
_RATES = (6, 12, 18)


class RecallDeepLab(nn.Module):
    """DeepLabV3+ as published with the recall loss (Tian et al., ICRA 2022).

    Output stride 16, dilations 2, 4 and 8 in the last stage, atrous rates 6, 12 and 18, and a
    decoder of two convolutions. Its "ResNet18" is made of Bottleneck blocks, three in the last
    stage: 28 convolutions and 1.6 times the parameters of ResNet18, which has 17. The published
    code started it from the weights of ResNet18, as far as names and shapes agreed: 26 tensors,
    mostly 3x3 kernels of another network. ``weights: imagenet`` does the same here; ResNet50 and
    ResNet101 fit as a whole. The batch norm of that code exchanges its statistics between GPUs, as
    ``sync_batchnorm`` makes torch's do.

    Args:
        num_classes: of the logits.
        channels: of the image.
        encoder: one of ``BLOCKS``.
    """

    size_multiple = 1
    upsamples = True
    """Whether logits are brought from a 4th of the resolution to the size of the image."""

    def __init__(self, num_classes: int, channels: int, encoder: str) -> None:
        super().__init__()
        self.encoder = _Encoder(BLOCKS[encoder], channels)
        self.aspp = _Pyramid(2048, 256)
        self.low = conv_bn_relu(256, 48, kernel=1)
        self.decoder = nn.Sequential(
            *(conv_bn_relu(304, 256), nn.Dropout(0.5)),
            *(conv_bn_relu(256, 256), nn.Dropout(0.1)),
        )
        self.head = nn.Conv2d(256, num_classes, 1)
        for part in (self.aspp, self.low, self.decoder, self.head):
            for module in part.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.kaiming_normal_(module.weight)

    def forward(self, image: Tensor) -> Tensor:
        """Compute ``(N, classes, H, W)`` logits of ``(N, channels, H, W)`` of any size."""
        low, high = self.encoder(image)
        x = torch.cat((_resized(self.aspp(high), low), self.low(low)), 1)
        logits: Tensor = self.head(self.decoder(x))
        return _resized(logits, image) if self.upsamples else logits


class _Encoder(ResNet):  # type: ignore[misc]
    """torchvision's ResNet with the names of its tensors, without its classifier."""

    def __init__(self, blocks: list[int], channels: int) -> None:
        super().__init__(Bottleneck, blocks, replace_stride_with_dilation=[False, False, True])
        del self.fc
        if channels != 3:
            self.conv1 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
            nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")
        for block, dilation in zip(self.layer4, _MULTI_GRID, strict=True):
            block.conv2.dilation = block.conv2.padding = (dilation, dilation)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Compute features of a 4th (256 channels) and a 16th (2048) of the resolution."""
        low: Tensor = self.layer1(self.maxpool(self.relu(self.bn1(self.conv1(image)))))
        return low, self.layer4(self.layer3(self.layer2(low)))


class _Pyramid(nn.Module):
    """Atrous spatial pyramid pooling: convolutions at several dilations, and the mean."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.point = conv_bn_relu(inputs, outputs, kernel=1)
        self.atrous = nn.ModuleList(conv_bn_relu(inputs, outputs, dilation=r) for r in _RATES)
        self.pooled = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), conv_bn_relu(inputs, outputs, kernel=1)
        )
        self.project = nn.Sequential(conv_bn_relu(5 * outputs, outputs, kernel=1), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        branches = [self.point(x), *(branch(x) for branch in self.atrous)]
        found: Tensor = self.project(torch.cat((*branches, _resized(self.pooled(x), x)), 1))
        return found


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)
