"""How unevenly classes share the training pixels: groups by frequency, and the Gini index."""

from collections.abc import Sequence

import numpy as np


def frequency_groups(pixels: Sequence[int]) -> dict[str, list[int]]:
    """Class ids of head, medium and tail: the most, middle and least frequent third.

    Two classes are divided into a head and a tail.
    """
    order = sorted(range(len(pixels)), key=lambda c: -pixels[c])
    labels = ("head", "medium", "tail") if len(order) > 2 else ("head", "tail")
    parts = np.array_split(np.array(order), len(labels))
    return {label: part.tolist() for label, part in zip(labels, parts, strict=True)}


def gini(pixels: Sequence[int]) -> float:
    """Gini index of the classes' pixels: 0 if all have equally many, 1 - 1/C if one has all.

    It is half the mean difference of two classes divided by their mean, and NaN without any pixel.
    """
    ascending = np.sort(np.array(pixels, np.float64))
    total, number = ascending.sum(), len(ascending)
    if not total:
        return float("nan")
    ranks = np.arange(1, number + 1)
    return float((2 * ranks - number - 1) @ ascending / (number * total))
