"""NYUv2 as published: all images and labels in one HDF5 file, the official split in another."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from lit_seg.data.card import SplitName
from lit_seg.data.datasets.nyuv2.matlab_file import read_matlab
from lit_seg.data.label_maps import LabelMap
from lit_seg.data.transforms import Array
from lit_seg.errors import DataError
from lit_seg.metrics.labels import VOID

LABELED = "nyu_depth_v2_labeled.mat"
MAPPING = "classMapping40.mat"
IMAGES = 1449


class MatSplit:
    """The images of a split in ``nyu_depth_v2_labeled.mat``, read one at a time.

    Each process opens the file for itself: HDF5 does not allow processes to share an open file,
    and the workers of a loader are forked from a process that may have it open.

    Args:
        root: the folder of the file.
        name: the split; ``splits.mat`` beside the file lists its images.
        ids_of_40: class id of each label, 0 (void) to 40, of ``classMapping40.mat``.
        how_to_get: how to get the data, for messages.

    Raises:
        DataError: if a file is missing or damaged.
    """

    def __init__(
        self, root: Path, name: SplitName, ids_of_40: Mapping[int, int], how_to_get: str
    ) -> None:
        self.path = root / LABELED
        self.mapping = root / MAPPING
        (of_40,) = _read_numbers(self.mapping, ("mapClass",), 40, how_to_get)
        ids = {0: VOID} | {label: ids_of_40[group] for label, group in enumerate(of_40, 1)}
        self.label_map = LabelMap(ids)
        self.meaning = self.label_map.meaning
        self._pid = -1
        self._open: h5py.File | None = None
        self.numbers = official_numbers(root, name, len(self._file()["labels"]), how_to_get)

    def __len__(self) -> int:
        return len(self.numbers)

    def name(self, index: int) -> str:
        return f"nyu_rgb_{self.numbers[index]:04}"  # as in the RGB archives

    def load(self, index: int) -> tuple[Array, Array]:
        image = self._read("images", index).transpose(2, 1, 0)  # (3, W, H) to (H, W, 3)
        return np.ascontiguousarray(image), self.label(index)

    def label(self, index: int) -> Array:
        stored = self._read("labels", index).T
        return self.label_map.map(stored, f"{self.path}: label {self.numbers[index]}")

    def label_files(self) -> list[Path]:
        """The labels, and the mapping that decides what they mean."""
        return [self.path, self.mapping]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pid": -1, "_open": None}

    def _read(self, what: str, index: int) -> npt.NDArray[Any]:
        number = self.numbers[index]
        try:
            return np.asarray(self._file()[what][number - 1])
        except (OSError, RuntimeError, ValueError, KeyError) as error:  # h5py raises all on damage
            raise DataError(
                f"{self.path}: {what[:-1]} {number} cannot be read ({_reason(error)}); "
                "fetch the file again"
            ) from None

    def _file(self) -> h5py.File:
        if self._open is None or self._pid != os.getpid():
            self._open, self._pid = _open(self.path), os.getpid()
        return self._open


def official_numbers(root: Path, name: SplitName, most: int, how_to_get: str) -> list[int]:
    """The numbers, from 1, of the images of an official split; val and test are the same.

    Raises:
        DataError: if ``splits.mat`` is missing, damaged, or lists a number above ``most``.
    """
    path = root / "splits.mat"
    train, test = _read_numbers(path, ("trainNdxs", "testNdxs"), most, how_to_get)
    if len({*train, *test}) < len(train) + len(test):
        raise DataError(
            f"{path}: holds an image twice, so it is no split; fetch it again. {how_to_get}"
        )
    return sorted(train if name == "train" else test)


def _open(path: Path) -> h5py.File:
    try:
        # reading needs no lock, and some network file systems have none
        file = h5py.File(path, "r", locking=False)
        found = {name: file.get(name) for name in ("images", "labels")}
        held = list(file)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise DataError(
            f"{path}: cannot be read as HDF5 ({_reason(error)}); fetch it again, it has "
            "2972037809 bytes"
        ) from None
    for name, dataset in found.items():
        if not isinstance(dataset, h5py.Dataset):
            raise DataError(
                f"{path}: holds no array `{name}`, only {held}; it is another file than "
                "nyu_depth_v2_labeled.mat"
            )
    images, labels = found["images"], found["labels"]
    count, *size = labels.shape or (0,)
    fits = len(size) == 2 and images.shape == (count, 3, *size)
    if not fits or images.dtype != np.uint8 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{path}: `images` are {images.shape} of {images.dtype} and `labels` {labels.shape} of "
            f"{labels.dtype}, expected (N, 3, W, H) of uint8 and (N, W, H) of uint16"
        )
    return file


def _read_numbers(path: Path, names: Sequence[str], most: int, how_to_get: str) -> list[list[int]]:
    """Read variables of an older .mat file; they must hold whole numbers from 1 to ``most``."""
    if not path.is_file():
        raise DataError(f"{path}: not found. {how_to_get}")
    try:
        found = read_matlab(path, *names)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read as a .mat file ({_reason(error)}); fetch it again. "
            f"{how_to_get}"
        ) from None
    for name in names:
        if name not in found:
            raise DataError(
                f"{path}: holds no `{name}`; it is another file of this name. {how_to_get}"
            )
        values = found[name]
        wrong = values[~((values >= 1) & (values <= most) & (values == np.floor(values)))]
        if len(wrong) or not len(values):
            raise DataError(
                f"{path}: `{name}` holds {np.unique(wrong).tolist()[:10] or 'nothing'}, expected "
                f"whole numbers from 1 to {most}. {how_to_get}"
            )
    return [found[name].astype(int).tolist() for name in names]


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
