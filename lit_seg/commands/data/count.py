"""Counting the classes of a split."""

import sys
from collections.abc import Sequence

from rich.console import Console

from lit_seg.commands.data.which import which
from lit_seg.data.counting.count import class_counts, count_images
from lit_seg.imbalance import imbalance_line, imbalance_table


def main(args: Sequence[str]) -> int:
    """Print the counts of a split as a table, and as the constant that a dataset may hold."""
    data, extra = which(args, "count", {"split": "train"})
    split = extra["split"]
    if split == "train":
        images = data.image_counts
    else:
        images = count_images(data.split(split), len(data.names))
    counts = class_counts(images)
    console = Console()
    names = [*data.names, "void"]
    table = imbalance_table(counts.first(len(data.names)), data.names, f"{split} of {data.folder}")
    console.print(table)
    void = 100 * counts.pixels[-1] / max(1, sum(counts.pixels))
    console.print(
        f"{len(images)} images, {sum(counts.pixels):,} pixels, {void:.3g} % of them void",
        highlight=False,
    )
    console.print(imbalance_line(counts.first(len(names) - 1), names[:-1]), highlight=False)
    if split == "train" and data.counts is not None:
        known = data.counts.pixels
        same = tuple(counts.pixels[: len(known)]) == tuple(known)
        console.print(
            f"{'equal to' if same else 'differ from'} the constant of lit_seg/data", highlight=False
        )
    sys.stdout.write(f"{counts}\n")
    return 0
