"""The imbalance of a training set, shown as a line and as a table."""

from collections.abc import Sequence

from rich.table import Column, Table

from lit_seg.files.escape import one_line, terminal
from lit_seg.metrics.frequency_groups import frequency_groups, gini
from lit_seg.metrics.labels import ClassCounts

_SHOWN = 12  # classes at each end of a long table


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
    return one_line(line)


def imbalance_table(counts: ClassCounts, names: Sequence[str], title: str) -> Table:
    """Tabulate the pixels and images of each class, the most frequent first; long lists are cut."""
    numbers = [Column(name, justify="right") for name in ("pixels %", "images")]
    table = Table("class", *numbers, "group", title=terminal(title))
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
        table.add_row(terminal(names[c]), f"{share:.3g}", images, group, end_section=last)
    return table
