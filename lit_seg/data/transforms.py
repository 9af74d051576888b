"""What happens to an image and its labels between the file and the network.

Labels are never interpolated. Where a crop reaches beyond the image, its pixels are void.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple, Self

import cv2
import numpy as np
import numpy.typing as npt

from lit_seg.data.crops import Shown, drawn_pixel, drawn_start, start_with
from lit_seg.images.open_and_save import Array
from lit_seg.images.resize import (
    CHANNELS,
    Fit,
    fit_image,
    fit_label,
    fitted_size,
    padded,
    resized,
)
from lit_seg.metrics.labels import VOID

Transform = Callable[[Array, Array, int], tuple[Array, Array]]
"""Brings an ``(H, W, 3)`` image and ``(H, W)`` labels to another size; the last is a seed."""


class EvalTransform:
    """Resizes to one height and width; padding is void, on the right and at the bottom."""

    def __init__(self, height: int, width: int, fit: Fit = "stretch") -> None:
        self.size = (height, width)
        self.fit = fit

    def __call__(self, image: Array, label: Array, seed: int = 0) -> tuple[Array, Array]:
        return fit_image(image, self.size, self.fit), fit_label(label, self.size, self.fit)

    def of_images(self, image: Array, label: Array, seed: int = 0) -> tuple[Array, Array]:
        """Resize the image as ever, and leave the labels as large as they are."""
        return fit_image(image, self.size, self.fit), label


class TrainTransform:
    """Random scale, crop, flip and colour jitter, by the options of ``SegDataModule``.

    ``size`` and ``fit`` are those of evaluation; training does the same, times the random scale.

    All draws of a sample are independent, from one generator. For the same draws the pixels are
    those of albumentations, although only those are looked at that the crop shows: they are equal
    bit by bit, or, where a scaled image is more than four times as large as its crop, to one grey
    level before the jitter.
    """

    def __init__(
        self,
        size: tuple[int, int],
        fit: Fit = "stretch",
        crop: tuple[int, int] | None = None,
        scale: tuple[float, float] = (1.0, 1.0),
        flip: float = 0.0,
        jitter: float = 0.0,
        class_crops: float = 0.0,
    ) -> None:
        if not 0 < scale[0] <= scale[1] <= 64:
            raise ValueError(f"`scale` must be a range of positive factors up to 64, got {scale}")
        for name, chance in (("flip", flip), ("class_crops", class_crops)):
            if not 0 <= chance <= 1:
                raise ValueError(f"`{name}` must be in [0, 1], got {chance}")
        if not 0 <= jitter < 1:
            raise ValueError(f"`jitter` must be in [0, 1), got {jitter}")
        self.size, self.fit, self.crop = size, fit, crop or size
        self.scale, self.flip, self.jitter, self.class_crops = scale, flip, jitter, class_crops

    def __call__(self, image: Array, label: Array, seed: int) -> tuple[Array, Array]:
        rng = Random(seed)
        rng.random()  # albumentations draws once for the whole
        scaled, interpolation = scaled_size(image.shape, self.size, self.fit, self.scale, rng)
        # the crop lies in the padded image, which is never made
        whole = max(scaled[0], self.crop[0]), max(scaled[1], self.crop[1])
        before = rng.randint(0, whole[0] - scaled[0]), rng.randint(0, whole[1] - scaled[1])
        start = drawn_start(whole, self.crop, rng)
        if self.class_crops:
            at_scale = resized(label, scaled, cv2.INTER_NEAREST_EXACT)
            pixel = drawn_pixel(at_scale, self.class_crops, rng)
            if pixel:
                inside = pixel[0] + before[0], pixel[1] + before[1]
                start = start_with(inside, whole, self.crop, rng)
        shown = Shown.of(start, before, self.crop, scaled)
        label = padded(shown.of_label(label, scaled), shown.padding, VOID)
        image = padded(shown.of_image(image, scaled, interpolation), shown.padding, 0)
        if chance(self.flip, rng):
            image, label = _mirrored(image), _mirrored(label)
        if chance(0.5 if self.jitter else 0, rng):
            image = Jitter.draw(self.jitter, rng, seed)(image)
        return image, label


def chance(probability: float, rng: Random) -> bool:
    """Decide by a draw, which what is certain does not need, as albumentations does."""
    return probability >= 1 or (probability > 0 and rng.random() < probability)


def _mirrored(array: Array) -> Array:
    if array.ndim == 3 and array.shape[2] > CHANNELS:
        return np.ascontiguousarray(array[:, ::-1])
    return np.asarray(cv2.flip(array, 1)).reshape(array.shape)  # which drops a single channel


def scaled_size(
    shape: tuple[int, ...],
    size: tuple[int, int],
    fit: Fit,
    scale: tuple[float, float],
    rng: Random,
) -> tuple[tuple[int, int], int]:
    """Draw the height and width to which an image is scaled; the second is the interpolation.

    Fit and scale are one resize, since each resize costs sharpness.
    """
    height, width = fitted_size(shape, size, fit)
    factor = rng.uniform(*scale)
    largest = height * width * scale[1] ** 2
    # the small summand is for products such as 0.29 * 100, which is below 29
    to = max(1, int(height * factor + 1e-6)), max(1, int(width * factor + 1e-6))
    # when shrinking, linear interpolation aliases; when enlarging, area is blocky
    return to, cv2.INTER_AREA if largest <= shape[0] * shape[1] else cv2.INTER_LINEAR


_HUES = 180
"""OpenCV's hues of 8 bits, two degrees each."""
_LEVELS = np.arange(256, dtype=np.float32)


class Jitter(NamedTuple):
    """How brightness, contrast, saturation and hue of an RGB image are changed.

    The numbers are those of albumentations' ``ColorJitter`` bit by bit, by OpenCV's operations
    without what it adds around them.
    """

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
