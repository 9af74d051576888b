"""Where a crop of a scaled and padded image lies, and its pixels, without making that image."""

from random import Random
from typing import NamedTuple, Self

import cv2
import numpy as np

from lit_seg.data.counting.count import pixels_of_labels
from lit_seg.images.open_and_save import Array
from lit_seg.images.resize import resized
from lit_seg.metrics.labels import VOID

_WARP = 4
"""How much longer OpenCV takes for a pixel of ``warpAffine`` than for one of ``resize``."""
WARPED = (1, 3, 4) if int(cv2.__version__.split(".")[0]) >= 5 else ()
"""The numbers of channels that it warps exactly; of others it rounds places to 1/32 of a pixel."""


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


class Shown(NamedTuple):
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
        # OpenCV warps sides that 16 bits can number
        if whole or image.shape[2] not in WARPED or max(image.shape) >= 2**15 - 1:
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


def _nearest(length: int, to: int) -> Array:
    """The index of the pixel that OpenCV takes for each of ``to``, which it tells of a ramp."""
    ramp = np.arange(length, dtype=np.uint16)[None]
    return np.asarray(cv2.resize(ramp, (to, 1), interpolation=cv2.INTER_NEAREST_EXACT)[0])
