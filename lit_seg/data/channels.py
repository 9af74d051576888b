"""Measures the mean and standard deviation of the channels of images that are no RGB."""

import numpy as np

from lit_seg.data.splits import Split

_MOST = 100
"""Images that are measured: as much as statistics of pixels need."""


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
