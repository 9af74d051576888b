"""The classes of a published dataset: a table in a CSV file, whose comments state its sources."""

import csv
from pathlib import Path

from lit_seg.images.open_and_save import Colour
from lit_seg.metrics.labels import ClassCounts

ClassTable = tuple[tuple[str, ...], tuple[Colour, ...], ClassCounts | None]
"""Names and RGB of the classes in the order of their ids, and published counts if any."""


def read_classes(table: str) -> ClassTable:
    """Read ``datasets/classes/<table>.csv``; its counts are of the training split."""
    path = Path(__file__).parent / "datasets" / "classes" / f"{table}.csv"
    text = path.read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    colours = tuple((int(row["red"]), int(row["green"]), int(row["blue"])) for row in rows)
    counts = {
        column: tuple(int(row[column]) for row in rows)
        for column in ("pixels", "images", "image_pixels")
        if column in rows[0]
    }
    names = tuple(row["name"] for row in rows)
    return names, colours, ClassCounts(**counts) if counts else None
