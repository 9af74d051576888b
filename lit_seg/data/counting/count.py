"""Counts the pixels and images of each class in a split, and measures its channels."""

import cv2
import numpy as np
import numpy.typing as npt

from lit_seg.data.counting.walk import walk
from lit_seg.data.splits import Split
from lit_seg.errors import DataError
from lit_seg.images.open_and_save import Array
from lit_seg.metrics.labels import VOID, ClassCounts

_MOST = 100
"""Images that are measured: as much as statistics of pixels need."""
ImageCounts = npt.NDArray[np.int64]
"""Pixels of each class in each image, void last: ``(N, C + 1)``."""


def count_images(split: Split, num_classes: int, workers: int | None = None) -> ImageCounts:
    """Count every label of a split; each must hold ids of classes and void only."""
    rows = list(walk(split, count_labels, "counting classes", workers))
    counts = np.array(rows, np.int64).reshape(len(rows), VOID + 1)
    if counts[:, num_classes:VOID].any():
        index, extra = np.argwhere(counts[:, num_classes:VOID])[0]
        raise DataError(
            f"{split.name(int(index))}: its label holds class {num_classes + extra}, there are "
            f"{num_classes} classes, from 0; mend the label, or the map from stored labels to them"
        )
    return np.concatenate([counts[:, :num_classes], counts[:, VOID:]], axis=1)


def count_labels(split: Split, index: int) -> npt.NDArray[np.int64]:
    """Count the pixels of each of the 256 labels in a sample: ``(256,)``."""
    return pixels_of_labels(split.label(index))


def pixels_of_labels(label: Array) -> npt.NDArray[np.int64]:
    """Count the pixels of each of the 256 values: ``(256,)``.

    OpenCV counts ten times faster than NumPy, but in float32: exact up to 2**24 pixels at a time.
    """
    pixels = np.ascontiguousarray(label).ravel()
    found = np.zeros(VOID + 1, np.int64)
    for start in range(0, len(pixels), 2**24):
        part = pixels[start : start + 2**24]
        counts = cv2.calcHist([part], [0], None, [VOID + 1], [0, VOID + 1])
        found += counts.ravel().astype(np.int64)
    return found


def class_counts(counts: ImageCounts, void: bool = False) -> ClassCounts:
    """Sum counts over images; ``void`` makes void the last class instead of leaving it out."""
    counts = counts if void else counts[:, :-1]
    present = counts > 0
    whole = counts.sum(axis=1, keepdims=True)
    sums = counts.sum(axis=0), present.sum(axis=0), (present * whole).sum(axis=0)
    pixels, images, image_pixels = (tuple(part.tolist()) for part in sums)
    return ClassCounts(pixels, images, image_pixels)


def measured_statistics(split: Split) -> tuple[list[float], list[float]]:
    """Measure mean and standard deviation of each channel, in the numbers that files hold.

    At most 100 images are read, evenly spaced. A channel that never changes has a deviation of 1.
    """
    chosen = np.unique(np.linspace(0, len(split) - 1, min(_MOST, len(split))).round().astype(int))
    pixels, sums, squares = 0, np.zeros(1), np.zeros(1)
    for index in chosen:
        image, _ = split.load(int(index))
        image = image.reshape(-1, image.shape[2])
        pixels += len(image)
        sums = sums + image.sum(0, dtype=np.float64)
        squares = squares + np.square(image, dtype=np.float64).sum(0)
    pixels = max(1, pixels)
    mean = sums / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 0))
    return mean.tolist(), np.where(std > 0, std, 1.0).tolist()
