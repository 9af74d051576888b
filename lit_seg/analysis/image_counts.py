"""Counts per image and class, of which nearly all are zero: an image shows few of the classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from lit_seg.metrics.scores import LABELLED

Cube = npt.NDArray[np.integer[Any]]
"""Pixels labelled, predicted and both, ``(I, C, 3)``."""


class ImageCounts:
    """A :data:`Cube` without its zeros, which for thousands of classes would take gigabytes.

    ``np.asarray`` gives the cube.

    Args:
        rows: ``(I, 3 * C)``, a row of the cube per image.
    """

    def __init__(self, rows: csr_array) -> None:
        rows.eliminate_zeros()
        self.rows = rows

    @classmethod
    def of(cls, counts: "ImageCounts | Cube") -> "ImageCounts":
        """Make them of a cube."""
        if isinstance(counts, ImageCounts):
            return counts
        return cls(csr_array(counts.reshape(len(counts), -1)))

    @classmethod
    def at(cls, shape: tuple[int, int], image: Cube, label: Cube, counts: Cube) -> "ImageCounts":
        """Put ``(N, 3)`` counts at their images and classes, ``(N,)`` each, of ``(I, C)``."""
        columns = 3 * label[:, None] + np.arange(3)
        places = np.repeat(image, 3), columns.ravel()
        return cls(csr_array((counts.ravel(), places), (shape[0], 3 * shape[1]), np.int64))

    def __len__(self) -> int:
        return int(self.rows.shape[0])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Cube:
        cube: Cube = self.rows.toarray().reshape(len(self), -1, 3)
        return cube if dtype is None else cube.astype(dtype)

    @property
    def classes(self) -> int:
        """C."""
        return int(self.rows.shape[1]) // 3

    @property
    def labelled(self) -> csr_array:
        """``(I, C)`` pixels labelled."""
        return self.rows[:, LABELLED::3]

    def sums(self) -> Cube:
        """``(C, 3)`` over all images."""
        return np.asarray(self.rows.sum(axis=0)).reshape(-1, 3)

    def weighted(self, image_weight: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """``(B, C, 3)`` over the images, each as often as ``(B, I)`` says."""
        sums: npt.NDArray[np.float64] = image_weight @ self.rows
        return sums.reshape(len(image_weight), -1, 3)

    def taken(self, images: Sequence[int], classes: Sequence[int]) -> "ImageCounts":
        """The counts of these images and classes, in this order."""
        columns = 3 * np.asarray(classes)[:, None] + np.arange(3)
        return ImageCounts(self.rows[list(images)][:, columns.ravel()])


def same_labels(ours: ImageCounts, others: ImageCounts) -> bool:
    """Whether both are of the same labels, image by image."""
    if ours.rows.shape != others.rows.shape:
        return False
    return int((ours.labelled != others.labelled).nnz) == 0
