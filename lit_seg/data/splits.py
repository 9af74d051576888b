"""The images and labels of a split, before any transform: from files, or drawn from others."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from lit_seg.data.file_lists import listing_faults
from lit_seg.errors import DataError
from lit_seg.files.unicode import printable
from lit_seg.images.decode import read_image
from lit_seg.images.open_and_save import Array

Pair = tuple[Path, Path]
"""An image file and its label file."""
T = TypeVar("T")


class Split(Protocol):
    """The images and labels of one split, before any transform; base of all splits."""

    meaning: str
    """How stored labels become classes: cached counts hold for this meaning only."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Name the sample in messages and file names."""

    def load(self, index: int) -> tuple[Array, Array]:
        """``(H, W, 3)`` uint8 RGB image and ``(H, W)`` uint8 class ids or ``VOID``."""

    def label(self, index: int) -> Array:
        """The labels alone."""
        return self.load(index)[1]

    def label_files(self) -> Sequence[Path]:
        """The files that hold the labels; none where labels are rendered."""
        return []

    def image_files(self) -> Sequence[Path]:
        """The files that hold images alone."""
        return []


class FileSplit(Split):
    """A split given as pairs of files.

    Args:
        pairs: image and label path of each sample.
        read_label: gives the ``(H, W)`` uint8 class ids of a label file, such as a ``LabelMap``.
        root: names of samples are their image's path below it, without the suffix; without a root
            they are the file's name.
        read_image: gives the ``(H, W, 3)`` uint8 RGB of an image file.
        how_to_get: how to get missing files, for the error about them; without it the files are not
            looked for.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        read_label: Callable[[Path], Array],
        root: Path | None = None,
        read_image: Callable[[Path], Array] = read_image,
        how_to_get: str = "",
    ) -> None:
        if how_to_get and not listing_faults():
            missing = [path for pair in pairs for path in pair if not path.is_file()]
            if missing:
                raise DataError(
                    f"{missing[0]}: no such file, its partner is listed "
                    f"(missing files: {len(missing)} of {2 * len(pairs)}). {how_to_get}"
                )
        self.pairs = pairs
        self.read_label = read_label
        self.read_image = read_image
        self.root = root
        name = getattr(read_label, "__qualname__", type(read_label).__qualname__)
        self.meaning: str = getattr(read_label, "meaning", f"{read_label.__module__}.{name}")

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        image = self.pairs[index][0]
        if self.root is None:
            return printable(image.stem)
        return printable(image.relative_to(self.root).with_suffix("").as_posix())

    def load(self, index: int) -> tuple[Array, Array]:
        image_path, label_path = self.pairs[index]
        image, label = self.read_image(image_path), self.read_label(label_path)
        if image.shape[:2] != label.shape:
            raise DataError(
                f"{label_path}: is {label.shape[0]}x{label.shape[1]} (height x width), its image "
                f"{image_path} is {image.shape[0]}x{image.shape[1]}; they must agree"
            )
        return image, label

    def label(self, index: int) -> Array:
        return self.read_label(self.pairs[index][1])

    def label_files(self) -> list[Path]:
        return [label for _, label in self.pairs]

    def image_files(self) -> list[Path]:
        return [image for image, _ in self.pairs]


class MixedSplit(Split):
    """Chosen samples of several splits: the split of each sample, and its index there."""

    def __init__(self, samples: Sequence[tuple[Split, int]]) -> None:
        self.samples = samples
        self.meaning = samples[0][0].meaning if samples else ""

    def __len__(self) -> int:
        return len(self.samples)

    def name(self, index: int) -> str:
        split, place = self.samples[index]
        return split.name(place)

    def load(self, index: int) -> tuple[Array, Array]:
        split, place = self.samples[index]
        return split.load(place)

    def label(self, index: int) -> Array:
        split, place = self.samples[index]
        return split.label(place)

    def label_files(self) -> list[Path]:
        """All label files of the splits: some keep the labels of all samples in one file."""
        return list(dict.fromkeys(path for split in self._splits() for path in split.label_files()))

    def image_files(self) -> list[Path]:
        return [path for split in self._splits() for path in split.image_files()]

    def _splits(self) -> list[Split]:
        return list({id(split): split for split, _ in self.samples}.values())


def matching_pairs(
    images: Path, image_name: str, labels: Path, label_name: str, stem: str
) -> list[Pair]:
    """Pair the files of two folders by their stems, sorted.

    ``image_name`` and ``label_name`` are paths with ``{}`` in place of the stem, which matches the
    glob pattern ``stem``. A stem that only one of the folders has makes a pair too, so that a lost
    half is noticed.
    """
    stems: set[str] = set()
    for folder, name in ((images, image_name), (labels, label_name)):
        start, end = name.split("{}")
        found = (path.relative_to(folder).as_posix() for path in folder.glob(name.format(stem)))
        stems |= {path.removeprefix(start).removesuffix(end) for path in found}
    return sorted((images / image_name.format(s), labels / label_name.format(s)) for s in stems)


def random_parts(items: Sequence[T], tenths: Sequence[int]) -> list[list[T]]:
    """Divide items at random, always in the same way; each part keeps their order.

    The remainder goes to the first parts. The sizes are those of
    ``torch.utils.data.random_split``, which PAT uses.
    """
    sizes = [len(items) * share // 10 for share in tenths]
    for i in range(len(items) - sum(sizes)):
        sizes[i] += 1
    # the old generator is the one whose numbers NumPy promises never to change
    order = np.random.RandomState(0).permutation(len(items))
    parts = np.split(order, np.cumsum(sizes)[:-1])
    return [[items[i] for i in np.sort(part)] for part in parts]
