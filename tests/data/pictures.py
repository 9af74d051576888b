"""Pictures that the tiny datasets are made of."""

from pathlib import Path

import numpy as np
from PIL import Image

MAC = b"\0\5\x16\7"
"""The start of the files that macOS leaves beside others."""


def save(path: Path, array, **options):
    """Write an array, making folders on the way; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def noise(seed, size, darkest=1):
    """Noise without a black pixel, so that padding shows; JPEG needs it far from black."""
    return np.random.default_rng(seed).integers(darkest, 256, (*size, 3), np.uint8)


def noise_and_ids(seed, size, num_ids, darkest=1):
    """Noise, and shuffled numbers from 0 of which all occur."""
    rng = np.random.default_rng(seed)
    image = rng.integers(darkest, 256, (*size, 3), np.uint8)
    return image, rng.permutation(np.arange(np.prod(size)) % num_ids).reshape(size)
