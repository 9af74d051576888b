"""Computes the logits of a network before the upsampling that ends it."""

from typing import Any, NamedTuple

from segmentation_models_pytorch.base import SegmentationHead
from segmentation_models_pytorch.decoders.dpt.decoder import DPTSegmentationHead
from torch import Tensor, nn

from lit_seg.models.recall_deeplab import RecallDeepLab


class LastUpsampling(NamedTuple):
    """The bilinear upsampling that ends a network.

    Attributes:
        align_corners: as in ``F.interpolate``.
        factor: of height and width; None if the result has the size of the image.
    """

    align_corners: bool
    factor: float | None

    def result(self, logits: Tensor, image: tuple[int, int]) -> tuple[int, int]:
        """The height and width to which it brings logits of an image with this size."""
        if self.factor is None:
            return image
        height, width = (int(side * self.factor) for side in logits.shape[2:])
        return height, width


def last_upsampling(network: nn.Module) -> LastUpsampling | None:
    """Find the upsampling that ends a network; None if it has logits of the image's size."""
    if isinstance(network, RecallDeepLab):
        return LastUpsampling(align_corners=True, factor=None)
    head = getattr(network, "segmentation_head", None)
    if isinstance(head, DPTSegmentationHead):
        return LastUpsampling(align_corners=True, factor=head.upsampling_factor)
    if isinstance(head, SegmentationHead) and isinstance(last := head[1], nn.Upsample):
        return LastUpsampling(bool(last.align_corners), float(last.scale_factor))  # type: ignore[arg-type]
    return None


def small_logits(network: nn.Module, image: Tensor) -> Tensor:
    """Compute ``(N, C, h, w)`` logits of a network that ends with an upsampling, without it."""
    name = "upsamples" if isinstance(network, RecallDeepLab) else "segmentation_head"
    before = getattr(network, name)
    setattr(network, name, _without_upsampling(before))
    try:
        logits: Tensor = network(image)  # its call, so that it is compiled if the network is
    finally:
        setattr(network, name, before)
    return logits


def _without_upsampling(part: Any) -> Any:
    if isinstance(part, DPTSegmentationHead):
        return part.head
    return part[0] if isinstance(part, SegmentationHead) else False
