"""Brings images and labels to the size that a network sees."""

import math
from typing import Literal, NamedTuple

import cv2
import numpy as np

from lit_seg.images.open_and_save import Array
from lit_seg.metrics.labels import VOID

CHANNELS = 4
"""How many channels all functions of OpenCV take at once."""
Fit = Literal["stretch", "pad"]
"""How an image is brought to another shape: with changed proportions, or with void beside it."""


def fitted_size(shape: tuple[int, ...], size: tuple[int, int], fit: Fit) -> tuple[int, int]:
    """Height and width of an image's content once it is brought to ``size``."""
    if fit == "stretch":
        return size
    factor = min(size[0] / shape[0], size[1] / shape[1])
    height, width = (max(1, round(n * factor)) for n in shape[:2])
    return min(height, size[0]), min(width, size[1])


def fit_image(image: Array, size: tuple[int, int], fit: Fit) -> Array:
    """Resize ``(H, W, channels)`` to a height and width; padding is black, right and bottom."""
    content = fitted_size(image.shape, size, fit)
    shrinks = content[0] * content[1] <= image.shape[0] * image.shape[1]
    image = resized(image, content, cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return padded(image, (0, size[0] - content[0], 0, size[1] - content[1]), 0)


def fit_label(label: Array, size: tuple[int, int], fit: Fit) -> Array:
    """Resize ``(H, W)`` labels as :func:`fit_image` does images; padding is void."""
    content = fitted_size(label.shape, size, fit)
    label = resized(label, content, cv2.INTER_NEAREST_EXACT)
    return padded(label, (0, size[0] - content[0], 0, size[1] - content[1]), VOID)


class Limit(NamedTuple):
    """The size above which images are shrunk before they are kept for training or evaluation."""

    size: tuple[int, int]
    """Height and width of evaluation."""
    fit: Fit
    largest: float
    """The largest scale of training; 1 for evaluation."""

    def __call__(self, image: Array, label: Array) -> tuple[Array, Array]:
        """Shrink an ``(H, W, channels)`` image and its label, unless one side would grow."""
        content = fitted_size(image.shape, self.size, self.fit)
        height, width = (math.ceil(side * self.largest) for side in content)
        if height > image.shape[0] or width > image.shape[1]:
            return image, label
        image = resized(image, (height, width), cv2.INTER_AREA)
        return image, resized(label, (height, width), cv2.INTER_NEAREST_EXACT)


def resized(array: Array, size: tuple[int, int], interpolation: int) -> Array:
    """Resize to a height and width, unless the array has them."""
    if array.shape[:2] == size:
        return array
    if array.ndim == 3 and array.shape[2] > CHANNELS:
        parts = np.split(array, range(CHANNELS, array.shape[2], CHANNELS), axis=2)
        return np.concatenate([resized(part, size, interpolation) for part in parts], axis=2)
    out: Array = cv2.resize(array, size[::-1], interpolation=interpolation)
    return out.reshape(*size, *array.shape[2:])  # OpenCV drops the axis of a single channel


def padded(array: Array, sides: tuple[int, int, int, int], value: int) -> Array:
    """Add so much at the top, at the bottom, on the left and on the right."""
    if not any(sides):
        return array
    top, bottom, left, right = sides
    height, width = array.shape[:2]
    shape = top + height + bottom, left + width + right, *array.shape[2:]
    out = np.full(shape, value, array.dtype)
    out[top : top + height, left : left + width] = array
    return out
