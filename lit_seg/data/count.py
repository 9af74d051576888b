"""Count the classes of a training split: ``python -m lit_seg.data.count camvid``.

Prints the :class:`ClassCounts` that a DataModule keeps as a constant, void as the last entry.
"""

import sys
from collections.abc import Sequence

import numpy as np
from rich.progress import track

from lit_seg.data import DATASETS
from lit_seg.data.dataset import Split
from lit_seg.errors import LitSegError
from lit_seg.labels import VOID, ClassCounts


def count_classes(split: Split, num_classes: int, progress: bool = False) -> ClassCounts:
    """Counts over all labels of a split, with void as one more class at the end."""
    pixels = np.zeros(num_classes + 1, np.int64)
    images = np.zeros_like(pixels)
    image_pixels = np.zeros_like(pixels)
    for index in track(range(len(split)), "counting classes", disable=not progress):
        label = split.load(index)[1]
        found = np.bincount(
            np.where(label == VOID, num_classes, label).ravel(), minlength=num_classes + 1
        )
        pixels += found
        images += found > 0
        image_pixels += (found > 0) * found[:-1].sum()
    return ClassCounts(tuple(pixels.tolist()), tuple(images.tolist()), tuple(image_pixels.tolist()))


def main(args: Sequence[str]) -> int:
    """Count the training split of a dataset and print the result; returns the exit code."""
    try:
        if len(args) != 1 or args[0] not in DATASETS:
            raise LitSegError(
                f"expected one dataset of {', '.join(DATASETS)}, got {' '.join(args) or 'none'}"
            )
        data = DATASETS[args[0]](num_workers=0)
        counts = count_classes(data.split("train"), len(data.names), progress=True)
    except LitSegError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(f"{counts}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
