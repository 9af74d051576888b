"""Counting the classes of a split."""

import sys
from collections.abc import Sequence

from rich.console import Console

from lit_seg.cli.commands.data.dataset_argument import dataset_of, split_counts
from lit_seg.data.counting.count import class_counts
from lit_seg.data.imbalance import imbalance_line, imbalance_table
from lit_seg.errors import plural


def main(args: Sequence[str]) -> int:
    """Print the counts of a split as a table and as a ``ClassCounts`` for its dataset file."""
    data, extra = dataset_of(args, "count", {"split": "train"})
    split = extra["split"]
    images = split_counts(data, split)
    counts, pixels = class_counts(images), int(images.sum())
    void = 100 * int(images[:, -1].sum()) / max(1, pixels)
    lines = [
        f"{plural(len(images), 'image')}, {pixels:,} pixels, {void:.3g} % of them void",
        imbalance_line(counts, data.names),
    ]
    if split == "train" and data.counts is not None:
        same = tuple(counts.pixels) == tuple(data.counts.pixels)
        lines.append(f"{'equal to' if same else 'differ from'} the published ones in lit_seg/data")
    Console().print(imbalance_table(counts, data.names, f"{split} of {data.folder}"))
    sys.stdout.write("\n".join([*lines, str(counts), ""]))
    return 0
