"""What a user should know before getting a dataset; ``python -m lit_seg data list`` shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from lit_seg.data.download.archive import Archive

SplitName = Literal["train", "val", "test"]


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
    downloads: tuple[Archive, ...] = field(default=())
