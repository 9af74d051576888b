"""Changes brightness, contrast, saturation and hue of RGB images, with OpenCV's operations alone.

The numbers are those of albumentations' ``ColorJitter`` bit by bit, without what it adds around
them.
"""

from random import Random
from typing import NamedTuple, Self

import cv2
import numpy as np
import numpy.typing as npt

from lit_seg.images.open_and_save import Array

_HUES = 180
"""OpenCV's hues of 8 bits, two degrees each."""
_LEVELS = np.arange(256, dtype=np.float32)


class Jitter(NamedTuple):
    """How one image is changed."""

    amounts: tuple[float, float, float, float]
    """Factors of brightness, contrast and saturation; the share of the circle of hues to add."""
    order: tuple[int, ...]
    """The order of these changes, each by its place in ``amounts``."""

    @classmethod
    def draw(cls, strength: float, rng: Random, seed: int) -> Self:
        """Draw factors of 1 ± strength, a hue of ± a fifth of it, and the order from ``seed``."""
        low, high = 1 - strength, 1 + strength
        brightness, contrast, saturation = (rng.uniform(low, high) for _ in range(3))
        hue = rng.uniform(-strength / 5, strength / 5)
        order = [0, 1, 2, 3]
        np.random.default_rng(seed).shuffle(order)
        return cls((brightness, contrast, saturation, hue), tuple(order))

    def __call__(self, image: Array) -> Array:
        """Change an ``(H, W, 3)`` uint8 RGB image; the given one is left as it is."""
        for change in self.order:
            image = _CHANGES[change](image, self.amounts[change])
        return image


def _brightness(image: Array, factor: float) -> Array:
    return _mapped(image, _LEVELS * np.float32(factor))


def _contrast(image: Array, factor: float) -> Array:
    mean = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean()
    return _mapped(image, _LEVELS * np.float32(factor) + np.float32(mean * (1 - factor)))


def _saturation(image: Array, factor: float) -> Array:
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(image, factor, grey, 1 - factor, 0), np.uint8)


def _hue(image: Array, shift: float) -> Array:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    table = np.mod(np.arange(256) + _HUES * shift, _HUES).astype(np.uint8)
    cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv, 0), table), hsv, 0)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)


def _mapped(image: Array, table: npt.NDArray[np.float32]) -> Array:
    levels = np.clip(table, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, levels), np.uint8)


_CHANGES = (_brightness, _contrast, _saturation, _hue)
