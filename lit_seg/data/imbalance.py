"""How unevenly classes share the training pixels: groups by frequency, Gini index, ratio."""

from collections.abc import Sequence

import numpy as np
from rich.markup import escape
from rich.table import Table

from lit_seg.metrics.labels import ClassCounts

_SHOWN = 12  # classes at each end of a long table


def frequency_groups(pixels: Sequence[int]) -> dict[str, list[int]]:
    """Class ids of head, medium and tail: the most, middle and least frequent third.

    If there are two classes, one is the head and the other the tail.
    """
    order = sorted(range(len(pixels)), key=lambda c: -pixels[c])
    labels = ("head", "medium", "tail") if len(order) > 2 else ("head", "tail")
    parts = np.array_split(np.array(order), len(labels))
    return {label: part.tolist() for label, part in zip(labels, parts, strict=True)}


def gini(pixels: Sequence[int]) -> float:
    """Gini index of the classes' pixels: 0 if all have equally many, 1 - 1/C if one has all.

    It is half the mean difference between two classes, divided by their mean; NaN without any
    pixel.
    """
    ascending = np.sort(np.array(pixels, np.float64))
    total, number = ascending.sum(), len(ascending)
    if not total:
        return float("nan")
    ranks = np.arange(1, number + 1)
    return float((2 * ranks - number - 1) @ ascending / (number * total))


def imbalance_line(counts: ClassCounts, names: Sequence[str]) -> str:
    """Describe the imbalance in one line."""
    pixels = counts.pixels
    seen = [(n, name) for n, name in zip(pixels, names, strict=True) if n]
    line = f"imbalance: Gini {gini(pixels):.2f}"
    if len(seen) > 1:
        (most, first), (least, last) = max(seen), min(seen)
        ratio = most / least
        line += f", {first} has {ratio:,.{0 if ratio >= 10 else 1}f} times the pixels of {last}"
    absent = [name for name, n in zip(names, pixels, strict=True) if not n]
    if absent:
        line += f"; no training pixel of {', '.join(absent)}"
    return line


def imbalance_table(counts: ClassCounts, names: Sequence[str], title: str) -> Table:
    """Tabulate the pixels and images of each class, the most frequent first; long lists are cut."""
    table = Table(title=escape(title))
    for column in ("class", "pixels %", "images", "group"):
        table.add_column(column, justify="right" if column in ("pixels %", "images") else "left")
    total = max(1, sum(counts.pixels))
    rows = [(c, group) for group, part in frequency_groups(counts.pixels).items() for c in part]
    cut = len(rows) > 2 * _SHOWN + 1
    for i, (c, group) in enumerate(rows):
        if cut and _SHOWN <= i < len(rows) - _SHOWN:
            if i == _SHOWN:
                table.add_row(f"... {len(rows) - 2 * _SHOWN} more", "", "", "")
            continue
        images = "?" if counts.images is None else str(counts.images[c])
        share = 100 * counts.pixels[c] / total
        last = i + 1 < len(rows) and rows[i + 1][1] != group
        table.add_row(escape(names[c]), f"{share:.3g}", images, group, end_section=last)
    return table
