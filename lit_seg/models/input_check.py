"""Refuses what is no batch of images that a network takes."""

import torch
from torch import Tensor

from lit_seg.errors import RunError


def check_images(image: Tensor) -> None:
    """Refuse what is no batch of RGB images in bytes.

    Floats in [0, 1] would all be taken for black, and one channel would be taken for three.

    Raises:
        RunError: naming the shape and type.
    """
    if not isinstance(image, Tensor):
        raise RunError(f"images must be a tensor, got {type(image).__name__}; {_IMAGES}")
    if image.ndim != 4 or image.shape[1] != 3 or image.dtype != torch.uint8:
        raise RunError(f"images cannot be {tuple(image.shape)} of {image.dtype}; {_IMAGES}")


_IMAGES = (
    "give (N, 3, H, W) torch.uint8, which is RGB from 0 to 255 and is normalised here: "
    "`image[None]` makes a batch of one, `image.movedim(-1, 1)` moves the channels of (N, H, W, 3),"
    " `(image * 255).round().byte()` is for floats in [0, 1]"
)
