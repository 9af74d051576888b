"""What happens to an image and its labels between the file and the network.

The only module that knows albumentations. Labels are never interpolated, and what a crop or a
shrunken image leaves empty is void.
"""

import os
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lit_seg.labels import VOID

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import asks the network for news
import albumentations as A
import cv2

Array = npt.NDArray[np.uint8]


class Transform(Protocol):
    """``(H, W, 3)`` image and ``(H, W)`` labels, both uint8, to the same of another size."""

    def __call__(self, image: Array, label: Array, seed: int) -> tuple[Array, Array]:
        """Transform a pair; equal seeds give equal results."""


class EvalTransform:
    """Resize to one size and nothing else; an image of that size passes untouched.

    Args:
        height: in pixels.
        width: in pixels.
    """

    def __init__(self, height: int, width: int) -> None:
        self.size = (width, height)

    def __call__(self, image: Array, label: Array, seed: int = 0) -> tuple[Array, Array]:
        if image.shape[1::-1] == self.size:
            return image, label
        image = cv2.resize(image, self.size, interpolation=cv2.INTER_AREA)
        label = cv2.resize(label, self.size, interpolation=cv2.INTER_NEAREST_EXACT)
        return image, label


class TrainTransform:
    """Random scale, crop, flip and colour jitter.

    Args:
        height: of the crop, in pixels.
        width: of the crop, in pixels.
        resize: factor that brings an image to the size that evaluation sees.
        scale: range of the random factor on top of ``resize``; below 1 the crop is padded.
        flip: probability of a horizontal flip.
        jitter: strength of brightness, contrast, saturation and hue changes, 0 for none.
    """

    def __init__(
        self,
        height: int,
        width: int,
        resize: float,
        scale: tuple[float, float],
        flip: float,
        jitter: float,
    ) -> None:
        low, high = resize * scale[0], resize * scale[1]
        self.pipeline = A.Compose(
            [
                A.RandomScale(
                    (low - 1, high - 1),
                    # area averages what it shrinks, linear aliases it; enlarging, area is blocky
                    interpolation=cv2.INTER_AREA if high <= 1 else cv2.INTER_LINEAR,
                    mask_interpolation=cv2.INTER_NEAREST_EXACT,
                    p=1,
                ),
                A.PadIfNeeded(
                    height,
                    width,
                    position="random",
                    border_mode=cv2.BORDER_CONSTANT,
                    fill=0,
                    fill_mask=VOID,
                ),
                A.RandomCrop(height, width),
                A.HorizontalFlip(p=flip),
                A.ColorJitter(
                    (1 - jitter, 1 + jitter),
                    (1 - jitter, 1 + jitter),
                    (1 - jitter, 1 + jitter),
                    (-jitter / 5, jitter / 5),
                    p=0.5 if jitter > 0 else 0,
                ),
            ]
        )

    def __call__(self, image: Array, label: Array, seed: int) -> tuple[Array, Array]:
        self.pipeline.set_random_seed(seed)
        out = self.pipeline(image=image, mask=label)
        return out["image"], out["mask"]
