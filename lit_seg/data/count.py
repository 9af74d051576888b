"""How much of each class a split holds, counted from its labels after the label map."""

import numpy as np
import numpy.typing as npt

from lit_seg.data.dataset import Split
from lit_seg.data.walk import walk
from lit_seg.errors import DataError
from lit_seg.labels import VOID, ClassCounts

ImageCounts = npt.NDArray[np.int64]
"""Pixels of each class in each image, void last: ``(N, C + 1)``."""


def count_images(split: Split, num_classes: int, workers: int | None = None) -> ImageCounts:
    """Count every label of a split.

    Raises:
        DataError: if a label cannot be read or holds what is no class.
    """
    rows = list(walk(split, count_labels, "counting classes", workers))
    counts = np.array(rows, np.int64).reshape(len(rows), VOID + 1)
    if counts[:, num_classes:VOID].any():
        found = num_classes + int(np.flatnonzero(counts[:, num_classes:VOID].any(axis=0))[0])
        raise DataError(f"a label holds class {found}, there are {num_classes} classes")
    return np.concatenate([counts[:, :num_classes], counts[:, VOID:]], axis=1)


def count_classes(split: Split, num_classes: int, workers: int | None = None) -> ClassCounts:
    """The sums of :func:`count_images`, void as the last entry."""
    return class_counts(count_images(split, num_classes, workers))


def count_labels(split: Split, index: int) -> npt.NDArray[np.int64]:
    """Pixels of each label of a sample: ``(256,)``."""
    return np.bincount(split.label(index).ravel(), minlength=VOID + 1)


def class_counts(counts: ImageCounts) -> ClassCounts:
    """The sums over images, void as the last entry."""
    present = counts > 0
    labelled = counts[:, :-1].sum(axis=1, keepdims=True)
    sums = counts.sum(axis=0), present.sum(axis=0), (present * labelled).sum(axis=0)
    pixels, images, image_pixels = (tuple(part.tolist()) for part in sums)
    return ClassCounts(pixels, images, image_pixels)
