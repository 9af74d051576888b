"""SegNet as in its paper, and as in PAT's published code."""

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from lit_seg.errors import check_choice
from lit_seg.models.convolutions import check_width, conv_bn_relu

_STAGES = {"paper": (2, 2, 3, 3, 3), "pat": (2, 2, 3, 3)}
"""Convolutions of each stage of the encoder; the decoder mirrors them."""


class SegNet(nn.Module):
    """An encoder and its mirror image, which puts values back to where the maxima were.

    ``paper`` is that of Badrinarayanan et al. (PAMI 2017): the 13 convolutions of VGG16 with batch
    norm, and 13 that mirror them, the last of which gives the logits. They start from random
    weights, not from VGG16's.

    ``pat`` is that of PAT's code, which lacks the fifth stage and the biases. There the last
    convolution has batch norm and ReLU as all others, so that no logit is below 0: a class that is
    nowhere then keeps a logit of 0 beside those of the others, and its probability cannot
    become small. That ReLU is left out here; the batch norm stays, and the parameters are PAT's.

    Args:
        num_classes: of the logits.
        channels: of the image.
        variant: ``paper`` or ``pat``.
        width: channels at full resolution, 64 in the paper and 32 in PAT's code by default; they
            double with each halving up to eight times the width.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int,
        *,
        variant: Literal["paper", "pat"] = "pat",
        width: int | None = None,
    ) -> None:
        super().__init__()
        check_choice("options.variant", variant, list(_STAGES))
        first: int = {"paper": 64, "pat": 32}[variant] if width is None else width
        check_width(first)
        stages, bias = _STAGES[variant], variant == "paper"
        self.size_multiple: int = 2 ** len(stages)
        widths = [first * 2 ** min(level, 3) for level in range(len(stages))]
        self.down = nn.ModuleList(
            _stage([before, *[after] * number], bias)
            for before, after, number in zip([channels, *widths], widths, stages, strict=False)
        )
        # the last convolution of each stage narrows; that of the last stage is the head
        self.up = nn.ModuleList(
            _stage([*[own] * number, *([widths[level - 1]] if level else [])], bias)
            for level, (own, number) in enumerate(zip(widths, stages, strict=True))
        )
        self.head = nn.Sequential(nn.Conv2d(first, num_classes, 3, padding=1, bias=bias))
        if variant == "pat":
            self.head.append(nn.BatchNorm2d(num_classes))

    def forward(self, image: Tensor) -> Tensor:
        """Compute ``(N, classes, H, W)`` logits of ``(N, channels, H, W)``.

        Height and width are multiples of 32 for ``paper``, and of 16 for ``pat``.
        """
        x, places = image, []
        for convs in self.down:
            x, place = max_pool2d(convs(x), 2, return_indices=True)
            places.append(place)
        for convs, place in zip(reversed(self.up), reversed(places), strict=True):
            x = convs(_unpooled(x, place))
        logits: Tensor = self.head(x)
        return logits


def _unpooled(x: Tensor, places: Tensor) -> Tensor:
    """Put maxima of 2x2 pixels back to their places, with 0 elsewhere.

    torch's ``max_unpool2d`` does the same, but refuses to where a run asks to be deterministic.
    """
    n, channels, height, width = x.shape
    flat = x.new_zeros(n, channels, 4 * height * width)
    flat = flat.scatter(2, places.flatten(2), x.flatten(2))
    return flat.view(n, channels, 2 * height, 2 * width)


def _stage(widths: list[int], bias: bool) -> nn.Sequential:
    return nn.Sequential(*(conv_bn_relu(*pair, bias=bias) for pair in pairwise(widths)))
