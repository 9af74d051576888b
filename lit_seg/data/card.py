"""What a user should know before getting a dataset; ``python -m lit_seg data list`` shows it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from lit_seg.data.file_lists import leads_out

SplitName = Literal["train", "val", "test"]
_CHECKSUM = "md5:[0-9a-f]{32}|sha1:[0-9a-f]{40}|sha256:[0-9a-f]{64}"
_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz")


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

    def __post_init__(self) -> None:
        if not re.fullmatch(r"https?://[!-~]+", self.url):
            raise ValueError(f"`url` must be http:// or https:// in plain ASCII, got {self.url!r}")
        if not re.fullmatch(r"[^./\\][^/\\]*", self.name) or not self.name.isprintable():
            raise ValueError(f"`url` must end with the name of a file, got {self.url!r}")
        if self.unpack and not self.name.lower().endswith(_SUFFIXES):
            raise ValueError(f"`url` must end with one of {', '.join(_SUFFIXES)}, got {self.url!r}")
        if not re.fullmatch(_CHECKSUM, self.checksum.lower()):
            raise ValueError(
                "`checksum` must be md5:, sha1: or sha256: and 32, 40 or 64 hexadecimal digits, "
                f"got {self.checksum!r}"
            )
        if leads_out(self.into):
            raise ValueError(f"`into` must lie below the root of the dataset, got {self.into!r}")

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
