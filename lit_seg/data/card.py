"""What is to be known of a dataset before having it: shown by ``python -m lit_seg data list``."""

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
        images: images of each split that can be scored, official or as this project splits them;
            empty where the user decides.
        licence: under which it may be used.
        citation: the publication to cite.
        how_to_get: sentences for those who do not have the data.
        downloads: what ``python -m lit_seg data download`` fetches; empty where an account or a
            form is needed, or no checksum is published.
    """

    what: str
    images: Mapping[SplitName, int]
    licence: str
    citation: str
    how_to_get: str
    downloads: tuple[Archive, ...] = field(default=())
