"""What happens to an image and its labels between the file and the network.

Labels are never interpolated. Where a crop reaches beyond the image, its pixels are void.
"""

from collections.abc import Callable
from random import Random
from typing import NamedTuple, Self

import cv2
import numpy as np

from lit_seg.data.counting.count import pixels_of_labels
from lit_seg.data.jitter import Jitter
from lit_seg.images.open_and_save import Array
from lit_seg.images.resize import Fit, fit_image, fit_label, fitted_size, resized
from lit_seg.metrics.labels import VOID

Transform = Callable[[Array, Array, int], tuple[Array, Array]]
"""Brings an ``(H, W, 3)`` image and ``(H, W)`` labels to another size; the last is a seed."""

_WARP = 4
"""How much longer OpenCV takes for a pixel of ``warpAffine`` than for one of ``resize``."""


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

    It draws the same numbers as :class:`lit_seg.data.by_albumentations.AlbumentationsTransform`
    and gives the same pixels, but looks only at those that the crop shows: they are equal bit by
    bit, or, where a scaled image is more than four times as large as its crop, to one grey level.
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
        shown = _Part.of(start, before, self.crop, scaled)
        label = shown.padded(shown.of_label(label, scaled), VOID)
        image = shown.padded(shown.of_image(image, scaled, interpolation), 0)
        if chance(self.flip, rng):
            image, label = cv2.flip(image, 1).reshape(image.shape), cv2.flip(label, 1)
        if chance(0.5 if self.jitter else 0, rng):
            image = Jitter.draw(self.jitter, rng, seed)(image)
        return image, label


def chance(probability: float, rng: Random) -> bool:
    """Decide by a draw, which what is certain does not need, as albumentations does."""
    return probability >= 1 or (probability > 0 and rng.random() < probability)


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


def drawn_start(whole: tuple[int, int], crop: tuple[int, int], rng: Random) -> tuple[int, int]:
    """Draw the first row and column of a crop."""
    top, left = rng.random(), rng.random()
    return int((whole[0] - crop[0] + 1) * top), int((whole[1] - crop[1] + 1) * left)


def drawn_pixel(label: Array, probability: float, rng: Random) -> tuple[int, int] | None:
    """Draw a class of the label and row and column of one of its pixels; sometimes, or None."""
    present = np.flatnonzero(pixels_of_labels(label)[:VOID])
    if rng.random() >= probability or not len(present):
        return None
    pixels = np.flatnonzero(label == rng.choice(present.tolist()))
    y, x = divmod(int(pixels[rng.randrange(len(pixels))]), label.shape[1])
    return y, x


def start_with(
    pixel: tuple[int, int], whole: tuple[int, int], crop: tuple[int, int], rng: Random
) -> tuple[int, int]:
    """Draw the start of a crop that lies inside and holds a pixel."""
    first = [max(0, place - length + 1) for place, length in zip(pixel, crop, strict=True)]
    last = [min(place, end - length) for place, end, length in zip(pixel, whole, crop, strict=True)]
    return rng.randint(first[0], last[0]), rng.randint(first[1], last[1])


class _Part(NamedTuple):
    """The rows and columns of a scaled image that a crop shows, and the padding around them."""

    rows: slice
    columns: slice
    padding: tuple[int, int, int, int]
    """At the top, at the bottom, on the left, on the right."""

    @classmethod
    def of(
        cls,
        start: tuple[int, int],
        before: tuple[int, int],
        crop: tuple[int, int],
        scaled: tuple[int, int],
    ) -> Self:
        """Find it for a crop that starts so within an image with so much padding before it."""
        shown, padding = [], []
        for first, pad, length, end in zip(start, before, crop, scaled, strict=True):
            low, high = max(0, first - pad), min(end, first - pad + length)
            shown.append(slice(low, high))
            padding += [low - (first - pad), first - pad + length - high]
        return cls(shown[0], shown[1], (padding[0], padding[1], padding[2], padding[3]))

    def of_label(self, label: Array, scaled: tuple[int, int]) -> Array:
        """What resizing the whole by nearest pixels, and cutting, would give."""
        if label.shape == scaled:
            return label[self.rows, self.columns]
        rows, columns = (_nearest(n, to) for n, to in zip(label.shape, scaled, strict=True))
        return label[rows[self.rows]][:, columns[self.columns]]

    def of_image(self, image: Array, scaled: tuple[int, int], interpolation: int) -> Array:
        """What resizing the whole, and cutting, would give; a warp is exact to one level."""
        height, width = (part.stop - part.start for part in (self.rows, self.columns))
        pixels = scaled[0] * scaled[1]
        whole = interpolation == cv2.INTER_AREA or pixels <= _WARP * height * width
        # OpenCV warps up to 4 channels, and sides that 16 bits can number
        if whole or image.shape[2] > 4 or max(image.shape) >= 2**15 - 1:
            return resized(image, scaled, interpolation)[self.rows, self.columns]
        y, x = image.shape[0] / scaled[0], image.shape[1] / scaled[1]
        # from the centres of pixels here to those of the image
        matrix = np.array(
            [
                [x, 0, (self.columns.start + 0.5) * x - 0.5],
                [0, y, (self.rows.start + 0.5) * y - 0.5],
            ]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        out: Array = cv2.warpAffine(
            image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        return out.reshape(height, width, image.shape[2])

    def padded(self, array: Array, value: int) -> Array:
        """Add the padding."""
        if not any(self.padding):
            return array
        top, bottom, left, right = self.padding
        height, width = array.shape[:2]
        shape = top + height + bottom, left + width + right, *array.shape[2:]
        out = np.full(shape, value, array.dtype)
        out[top : top + height, left : left + width] = array
        return out


def _nearest(length: int, to: int) -> Array:
    """The index of the pixel that OpenCV takes for each of ``to``, which it tells of a ramp."""
    ramp = np.arange(length, dtype=np.uint16)[None]
    return np.asarray(cv2.resize(ramp, (to, 1), interpolation=cv2.INTER_NEAREST_EXACT)[0])
