"""What is known of a published dataset: its classes, its archives, and what `data list` shows."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from lit_seg.images.open_and_save import Colour
from lit_seg.metrics.labels import ClassCounts

SplitName = Literal["train", "val", "test"]


@dataclass(frozen=True)
class Archive:
    """A file to download.

    Args:
        url: ``http:`` or ``https:``; the last part of its path names the file.
        checksum: ``"md5:<hex>"``, ``"sha1:<hex>"`` or ``"sha256:<hex>"``.
        into: folder below the root of the dataset that it belongs into; "" for the root itself.
        unpack: whether to unpack it there; else the file itself belongs there.
        size: size in bytes, if it is known: then free space is checked before the download.
    """

    url: str
    checksum: str
    into: str = ""
    unpack: bool = True
    size: int | None = None

    @property
    def name(self) -> str:
        return unquote(urlsplit(self.url).path).rpartition("/")[2]

    def place(self, root: Path) -> Path:
        """The path of the downloaded file, also of one that was downloaded by hand."""
        return root / self.name if self.unpack else root / self.into / self.name


@dataclass(frozen=True)
class DataCard:
    """Facts of a dataset that do not depend on options.

    Attributes:
        what: the dataset in a few words.
        images: number of images in each split that can be scored, official or as this project
            splits them; empty where the user decides.
        licence: the licence under which it may be used.
        citation: the publication to cite.
        how_to_get: how to get the data, in whole sentences.
        downloads: what ``python -m lit_seg data download`` fetches; empty where an account or a
            form is needed, or no checksum is published.
    """

    what: str
    images: Mapping[SplitName, int]
    licence: str
    citation: str
    how_to_get: str
    downloads: tuple[Archive, ...] = ()


ClassTable = tuple[tuple[str, ...], tuple[Colour, ...], ClassCounts | None]
"""Names and RGB of the classes in the order of their ids, and published counts if any."""


def read_classes(table: str) -> ClassTable:
    """Read ``datasets/classes/<table>.csv``, whose comments state its sources.

    Its counts are of the training split.
    """
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
