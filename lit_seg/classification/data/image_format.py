"""Describes the images that a classifier was trained on, for use far from their dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import cv2
import numpy as np

from lit_seg.images.open_and_save import Array
from lit_seg.images.resize import resized


@dataclass(frozen=True)
class ImageFormat:
    """What a trained classifier must know of its dataset to classify other images.

    Attributes:
        dataset: name of the dataset.
        height: height of the images that the network sees, in pixels.
        width: their width.
        resize: the shorter side that an image is brought to before its centre is cut out.
        channels: of the images; 3 are red, green and blue from 0 to 255.
        mean: of each channel, in the numbers that images hold.
        std: the same of the standard deviation.
    """

    dataset: str
    height: int
    width: int
    resize: int
    channels: int
    mean: Sequence[float]
    std: Sequence[float]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        """Make it from the plain values of :meth:`plain`."""
        return cls(**content)

    def plain(self) -> dict[str, Any]:
        """Lists, numbers and texts, for checkpoints and metadata of exports."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}

    def fitted(self, image: Array, seed: int = 0) -> Array:
        """Resize ``(H, W, channels)`` by the shorter side, then cut out the centre."""
        height, width = image.shape[:2]
        factor = self.resize / min(height, width)
        size = max(self.height, round(height * factor)), max(self.width, round(width * factor))
        image = resized(image, size, cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
        top, left = (size[0] - self.height) // 2, (size[1] - self.width) // 2
        return np.ascontiguousarray(image[top : top + self.height, left : left + self.width])
