"""The images and classes of a split, before any transform: in memory, or as files."""

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lit_seg.errors import DataError
from lit_seg.files.unicode import printable
from lit_seg.images.decode import read_image
from lit_seg.images.open_and_save import Array

Targets = npt.NDArray[np.int64]
"""The class id of each image: ``(N,)``."""


class ImageSplit(Protocol):
    """Images of one class each."""

    targets: Targets

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """Name the image in messages and tables."""

    def load(self, index: int) -> Array:
        """``(H, W, channels)`` uint8."""

    def check(self) -> None:
        """Raise a DataError if images are missing."""

    def content_hash(self) -> str:
        """A hash of images and classes that does not depend on where they lie."""


class ArraySplit:
    """Images in memory: ``(N, H, W, channels)`` uint8, their classes, and their numbers."""

    def __init__(self, images: Array, targets: Targets, numbers: Sequence[int]) -> None:
        self.images, self.targets, self.numbers = images, targets, numbers

    def __len__(self) -> int:
        return len(self.targets)

    def name(self, index: int) -> str:
        return f"{self.numbers[index]:05}"

    def load(self, index: int) -> Array:
        image: Array = self.images[index]
        return image

    def check(self) -> None:
        pass

    def content_hash(self) -> str:
        digest = hashlib.sha256(self.images.tobytes())
        digest.update(self.targets.tobytes())
        return digest.hexdigest()


class PhotoSplit:
    """Image files below a folder, and their classes.

    Args:
        root: the folder.
        paths: of each image, below the folder, with forward slashes.
        targets: their class ids.
        source: the list that names them, for messages.
        how_to_get: how to get what is missing, in whole sentences.
    """

    def __init__(
        self, root: Path, paths: Sequence[str], targets: Targets, source: Path, how_to_get: str
    ) -> None:
        self.root, self.paths, self.targets = root, paths, targets
        self.source, self.how_to_get = source, how_to_get

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        return printable(os.path.splitext(self.paths[index])[0])

    def load(self, index: int) -> Array:
        return read_image(self.root / self.paths[index])

    def check(self) -> None:
        _ = self._sizes

    @cached_property
    def _sizes(self) -> list[int]:
        """Bytes of each file; all are looked up, so that a download by half is seen at once."""
        sizes, missing = [], []
        for path in self.paths:
            try:
                sizes.append(os.stat(f"{self.root}/{path}").st_size)
            except OSError:
                missing.append(path)
        if missing:
            raise DataError(
                f"{self.root / missing[0]}: no such file, {self.source} lists it (missing files: "
                f"{len(missing)} of {len(self.paths)}). {self.how_to_get}"
            )
        return sizes

    def content_hash(self) -> str:
        digest = hashlib.sha256(repr(list(self.paths)).encode(errors="surrogateescape"))
        digest.update(self.targets.tobytes())
        digest.update(np.array(self._sizes, np.int64).tobytes())
        return digest.hexdigest()
