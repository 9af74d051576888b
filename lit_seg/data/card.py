"""What a user should know before getting a dataset; ``python -m lit_seg data list`` shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

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
