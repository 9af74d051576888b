"""Sizes of masks: one set of bins for the report, the diagnosis and everything else.

A mask is all pixels of a class in an image. Its size is its share of the labelled pixels there.
"""

import numpy as np
import numpy.typing as npt

MASK_SIZE_EDGES = (0.001, 0.01, 0.1)
"""Edges between the bins, as shares of the labelled pixels of an image."""
MASK_SIZE_BINS = ("below 0.1 %", "0.1 to 1 %", "1 to 10 %", "10 % or more")
"""Names of the bins. A bin contains its lower edge: a mask of exactly 1 % is in ``1 to 10 %``."""


def size_bin(shares: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """The index in ``MASK_SIZE_BINS`` of each share of an image.

    Example:
        >>> size_bin([0.0005, 0.001, 0.01, 0.5]).tolist()
        [0, 1, 2, 3]
    """
    return np.digitize(np.asarray(shares, np.float64), MASK_SIZE_EDGES)
