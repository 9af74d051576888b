"""Refuses what is no batch of images that a network takes."""

import torch
from torch import Tensor

from lit_seg.errors import RunError


def check_images(image: Tensor, channels: int = 3) -> None:
    """Refuse what is no batch of RGB images in bytes, or of images with other channels.

    Floats in [0, 1] would all be taken for black, and one channel would be taken for three. Other
    channels than RGB may hold 16 bits, as int32.

    Raises:
        RunError: naming the shape and type.
    """
    if not isinstance(image, Tensor):
        raise RunError(f"images must be a tensor, got {type(image).__name__}; {_IMAGES}")
    types = [torch.uint8] if channels == 3 else [torch.uint8, torch.int32]
    if image.ndim != 4 or image.shape[1] != channels or image.dtype not in types:
        how = _IMAGES if channels == 3 else f"give (N, {channels}, H, W) torch.uint8 or int32"
        raise RunError(f"images cannot be {tuple(image.shape)} of {image.dtype}; {how}")


_IMAGES = (
    "give (N, 3, H, W) torch.uint8, which is RGB from 0 to 255 and is normalised here: "
    "`image[None]` makes a batch of one, `image.movedim(-1, 1)` moves the channels of (N, H, W, 3),"
    " `(image * 255).round().byte()` is for floats in [0, 1]"
)
