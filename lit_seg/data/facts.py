"""Defines what a dataset states: its classes, its files, and how often each class occurs."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal

from lightning_utilities.core.rank_zero import rank_zero_info

from lit_seg.data.card import DataCard, SplitName
from lit_seg.data.counting.cache import cached_counts
from lit_seg.data.counting.count import ImageCounts, class_counts
from lit_seg.data.splits import Split
from lit_seg.errors import DataError, NotThereError, check_choice
from lit_seg.images.open_and_save import Colour
from lit_seg.metrics.labels import VOID, ClassCounts


class DatasetFacts(ABC):
    """The facts that a dataset states, and what follows from them."""

    folder: str
    """Name of the dataset in ``make train DATA=<name>`` and of its folder in ``$DATA_ROOT``."""
    card: ClassVar[DataCard]
    """What a user should know before getting the dataset."""
    names: tuple[str, ...]
    """Class names in the order of their ids."""
    colours: tuple[Colour, ...]
    """RGB of each class."""
    label_ids: tuple[int, ...] | None = None
    """The value of each class in label files of the dataset; None where these hold class ids or
    colours. Where a class has several values it is the first."""
    void_id: int = VOID
    """The value of void in these files."""
    native_size: tuple[int, int] | None = None
    """Height and width of the dataset's images; None if they differ."""
    channels: int = 3
    """Channels of the images; three are red, green and blue from 0 to 255."""
    mean: Sequence[float] | None = None
    """Mean of each channel as files hold it; by default that of published weights, or measured."""
    std: Sequence[float] | None = None
    """The standard deviation of each channel."""
    counts: ClassCounts | None = None
    """Published counts of the training split; None where its files are counted."""

    def __init__(self, root: str | None, void: Literal["ignore", "train"], count_labels: bool):
        check_choice("void", void, ("ignore", "train"))
        self.root = from_home(root) if root else default_root(self.folder)
        self.void = void
        self.count_labels = count_labels
        self._splits: dict[SplitName, Split] = {}

    @abstractmethod
    def split(self, name: SplitName) -> Split:
        """Find the samples of a split; a DataError says if it is missing or incomplete."""

    def without_partner(self) -> list[Path]:
        """List labels without an image, if the dataset can tell."""
        return []

    @property
    def class_names(self) -> list[str]:
        """Names of the trained classes, in the order of their ids."""
        return [*self.names, "void"] if self.void == "train" else list(self.names)

    @property
    def palette(self) -> list[Colour]:
        """RGB of each trained class."""
        if self.void == "ignore":
            return list(self.colours)
        free = (c for c in ((0, 0, 0), (255, 255, 255), (255, 0, 255)) if c not in self.colours)
        return [*self.colours, next(free, (1, 1, 1))]

    @property
    def class_counts(self) -> ClassCounts:
        """How much of each trained class the training split holds."""
        if self.counts is None or self.count_labels or self.void == "train" or self._is_partial:
            return class_counts(self.image_counts, void=self.void == "train")
        return self.counts

    @cached_property
    def _is_partial(self) -> bool:
        """Whether the training files here are not those of the published counts."""
        try:
            found = len(self._split("train").label_files())
        except DataError:  # to validate or predict, they need not be here
            return False
        published = self.card.images.get("train", found)
        if found in (0, published):  # none where labels are rendered
            return False
        rank_zero_info(
            f"{self.root}: holds {found} training images of {self.folder}, and the published "
            f"counts are of {published}; those that are here are counted instead"
        )
        return True

    def fault_of_counts(self, counts: ImageCounts) -> str:
        """Describe what the counts of training labels show to be wrong; "" for nothing."""
        return ""

    @cached_property
    def image_counts(self) -> ImageCounts:
        """Pixels of each class in each training image, void last, counted on first use."""
        split = self._split("train")
        what = f"{len(split)} training labels of {self.folder}"
        return cached_counts(split, len(self.names), what, self.label_meaning)

    @property
    def label_meaning(self) -> str:
        """A text that identifies these labels; cached counts hold for it and the split's own."""
        return repr((type(self).__qualname__, self.names))

    def _split(self, name: SplitName) -> Split:
        if name not in self._splits:
            self._splits[name] = self.split(name)
        return self._splits[name]

    @property
    def _void_class(self) -> int:
        return len(self.names) if self.void == "train" else VOID

    def _missing(self, path: Path) -> DataError:
        return not_there(path, self.card, self.root, self.folder, "lit_seg data")


def not_there(path: Path, card: DataCard, root: Path, folder: str, program: str) -> DataError:
    """The error for a path that is missing: how the dataset is had, and where it goes.

    Args:
        path: what is missing.
        card: of the dataset.
        root: the folder that it goes into.
        folder: the name of the dataset.
        program: what has the command ``download``, after ``python -m``.
    """
    how = card.how_to_get
    if card.downloads:
        how = f"`python -m {program} download {folder}` fetches it. {how}"
    return NotThereError(
        f"{path}: not found. {how} Then put it into {root}, or set DATA_ROOT to the folder that "
        f"holds `{folder}/`."
    )


def default_root(folder: str) -> Path:
    """The folder of a dataset if the user names no other."""
    return from_home(os.environ.get("DATA_ROOT") or "data") / folder


def from_home(path: str) -> Path:
    """The path that a user gave, whose ``~`` becomes a home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise DataError(
            f"`root` or DATA_ROOT: {path}: the user of {Path(path).parts[0]} has no home; give the "
            "path in full"
        ) from None
