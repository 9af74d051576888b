"""Parts that several networks are made of."""

from torch import Tensor, nn


def conv_bn_relu(
    inputs: int, outputs: int, kernel: int = 3, dilation: int = 1, bias: bool = False
) -> nn.Sequential:
    """Make a convolution that keeps the size, with batch norm and ReLU."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=bias),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def double_conv(inputs: int, outputs: int, bias: bool = False) -> nn.Sequential:
    """Make the two convolutions of a step of a U-Net."""
    return nn.Sequential(
        conv_bn_relu(inputs, outputs, bias=bias), conv_bn_relu(outputs, outputs, bias=bias)
    )


def widths_of(width: int) -> list[int]:
    """List the channels at the five resolutions of a U-Net: they double with each halving."""
    return [width * 2**level for level in range(5)]


def down_path(channels: int, widths: list[int], bias: bool = False) -> nn.ModuleList:
    """Make the two convolutions at each resolution of the encoder of a U-Net."""
    pairs = zip([channels, *widths], widths, strict=False)
    return nn.ModuleList(double_conv(before, after, bias) for before, after in pairs)


def features_of(down: nn.ModuleList, image: Tensor) -> list[Tensor]:
    """Compute the features at each resolution, from that of the image on."""
    features = [down[0](image)]
    for convs in list(down)[1:]:
        features.append(convs(halve(features[-1])))
    return features


def halve(x: Tensor) -> Tensor:
    """Take the maxima of 2x2 pixels."""
    return nn.functional.max_pool2d(x, 2)


def check_width(width: object) -> None:
    """Refuse a number of channels that no convolution can have.

    Raises:
        ValueError: naming the option and the value.
    """
    if not isinstance(width, int) or isinstance(width, bool) or width < 1:
        raise ValueError(
            f"`options`: width must be the number of channels at full resolution, such as 32, "
            f"got {width!r}"
        )
