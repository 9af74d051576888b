"""What happens to a training image; each transform is a function of the image and a seed."""

from collections.abc import Callable

import numpy as np

import lit_seg.data.transforms  # noqa: F401 # it keeps albumentations from asking the network
from lit_seg.images.open_and_save import Array

import albumentations as A  # isort: skip
import cv2  # isort: skip

ImageTransform = Callable[[Array, int], Array]
"""Changes an ``(H, W, channels)`` uint8 image; the number is a seed."""


def check_chance(name: str, value: float) -> None:
    """Refuse a probability that is none."""
    if not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be in [0, 1], got {value}")


class ShiftAndFlip:
    """Shifts a small image by up to ``shift`` pixels each way, over black, and may mirror it.

    With 4 pixels this is the random crop of a padded image that all code for CIFAR has.
    """

    def __init__(self, shift: int = 0, flip: float = 0.0) -> None:
        if shift < 0:
            raise ValueError(f"`shift` must be at least 0 pixels, got {shift}")
        check_chance("flip", flip)
        self.shift, self.flip = shift, flip

    def __call__(self, image: Array, seed: int) -> Array:
        rng = np.random.default_rng(seed)
        top, left = rng.integers(0, 2 * self.shift, 2, endpoint=True)
        mirrored = rng.random() < self.flip
        by = (self.shift, self.shift)
        padded = np.pad(image, (by, by, (0, 0)))
        out = padded[top : top + image.shape[0], left : left + image.shape[1]]
        return out[:, ::-1] if mirrored else out


class CropAndJitter:
    """A part of a photo of random size and shape, resized; mirrored by chance; colours changed.

    Source: the training transforms of Kang et al. and of OLTR, which are torchvision's:
    ``RandomResizedCrop``, flip and ``ColorJitter(.4, .4, .4, 0)``. Where a part is shrunk, pixels
    are averaged, as Pillow does there.

    Args:
        size: height and width of the result.
        scale: the range of the part's share of the image.
        flip: probability of mirroring.
        jitter: strength of the changes of brightness, contrast and saturation, 0 for none.
    """

    def __init__(
        self,
        size: int,
        scale: tuple[float, float] = (0.08, 1.0),
        flip: float = 0.5,
        jitter: float = 0.4,
    ) -> None:
        if not 0 < scale[0] <= scale[1] <= 1:
            raise ValueError(f"`scale` must be a range in (0, 1], got {scale}")
        check_chance("flip", flip)
        if not 0 <= jitter < 1:
            raise ValueError(f"`jitter` must be in [0, 1), got {jitter}")
        factors = (1 - jitter, 1 + jitter)
        self.pipeline = A.Compose(
            [
                A.RandomResizedCrop(
                    (size, size),
                    scale,
                    interpolation=cv2.INTER_LINEAR,
                    area_for_downscale="image",
                ),
                A.HorizontalFlip(p=flip),
                A.ColorJitter(factors, factors, factors, (0, 0), p=1 if jitter else 0),
            ]
        )

    def __call__(self, image: Array, seed: int) -> Array:
        self.pipeline.set_random_seed(seed)
        out: Array = self.pipeline(image=image)["image"]
        return out
