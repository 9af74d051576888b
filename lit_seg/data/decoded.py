"""Keeps a split's decoded images and labels in one file, which processes map into memory.

``$XDG_CACHE_HOME/lit_seg/decoded`` (or ``~/.cache/lit_seg/decoded``; ``LIT_SEG_CACHE`` gives
another folder) holds a file for each list of samples: the pixels of their images and labels, then
an index as JSON, then the length of that. The index has a hash of what the pixels were made from:
the sources' paths, sizes and times, the meaning of stored labels, and the versions of what decodes.
If one of them is another now, the file is made anew.
"""

import errno
import json
import math
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property, partial
from glob import escape
from pathlib import Path
from typing import Any, BinaryIO, get_args

import cv2
import numpy as np
import numpy.typing as npt
import PIL
from lightning_utilities.core.rank_zero import rank_zero_info

from lit_seg.data.card import SplitName
from lit_seg.data.counting.cache import cache_folder, hash_files, place_and_times
from lit_seg.data.counting.walk import walk
from lit_seg.data.splits import Split
from lit_seg.errors import DataError
from lit_seg.files.atomic_io import replace_file, writing
from lit_seg.files.escape import file_name
from lit_seg.files.lock import locked
from lit_seg.images.open_and_save import Array
from lit_seg.images.resize import Limit

_VERSION = 1
"""To be raised when the file has another form, or files are read in another way."""
_SUFFIX = ".pixels"
_DIGITS = 16
"""Those of the hash that ends a file's name."""
_ALIGNED = 64
"""Bytes: where a sample begins is a multiple of them."""
_LENGTH = 8
"""Bytes of the length of the index, which end the file."""
_INSTEAD = "another folder by LIT_SEG_CACHE"


class DecodedSplit(Split):
    """A split whose images and labels are read from the memory-mapped file ``path``.

    Raises:
        DataError: if the file is damaged, or made of other files than ``key`` says.
    """

    def __init__(self, split: Split, path: Path, key: str) -> None:
        self.split, self.path, self.key = split, path, key
        self.meaning = split.meaning
        _ = self.opened

    @cached_property
    def opened(self) -> tuple[npt.NDArray[np.uint8], list[list[int]]]:
        """All bytes of the file, and where each sample is in them."""
        try:
            pixels: npt.NDArray[np.uint8] = np.memmap(self.path, np.uint8, "r")
            end = len(pixels) - _LENGTH
            start = end - int.from_bytes(pixels[end:].tobytes(), "little")
            index = json.loads(pixels[max(0, start) : end].tobytes())
            rows = np.array(index["rows"], np.int64).reshape(-1, 5)
        except (OSError, ValueError, TypeError, KeyError, OverflowError) as error:
            raise DataError(f"{self.path}: cannot be read ({error}); remove it") from None
        if index["key"] != self.key:
            raise DataError(f"{self.path}: was made anew from changed files; start this run again")
        ends = rows[:, 0] + _aligned(rows[:, 1:].prod(axis=1)) + rows[:, 1] * rows[:, 2]
        if len(rows) != len(self.split) or (ends > start).any():
            raise DataError(f"{self.path}: is damaged; remove it")
        return pixels, rows.tolist()

    def __len__(self) -> int:
        return len(self.split)

    def __getstate__(self) -> dict[str, Any]:
        """Without the pixels: a process that is no fork opens the file when it loads."""
        return {name: value for name, value in vars(self).items() if name != "opened"}

    def name(self, index: int) -> str:
        return self.split.name(index)

    def load(self, index: int) -> tuple[Array, Array]:
        """Image and label, which must not be written to."""
        pixels, rows = self.opened
        start, height, width, channels, size = rows[index]
        shape, kind = (height, width, channels), f"u{size}"
        after = start + _aligned(math.prod(shape) * size)
        image = np.ndarray(shape, kind, pixels.data, start)
        return image, np.ndarray(shape[:2], np.uint8, pixels.data, after)

    def label_files(self) -> list[Path]:
        return list(self.split.label_files())

    def image_files(self) -> list[Path]:
        return list(self.split.image_files())


def decoded_split(
    split: Split, dataset: str, name: SplitName, meaning: str, limit: Limit | None
) -> DecodedSplit:
    """Find the decoded file of a split, or make it.

    Args:
        split: its samples are files, not drawn.
        dataset: its name, for the file and for messages.
        name: that of the split.
        meaning: a text that changes whenever files are read in another way.
        limit: what shrinks images; they keep their size without it.

    Raises:
        DataError: if a sample cannot be read, or the samples are drawn.
        WriteError: if the file cannot be written, such as on a full disk.
    """
    what = f"the {name} images of {dataset}"
    files = [*split.label_files(), *split.image_files()]
    if not files:
        raise DataError(
            f"{what} are drawn, not read from files, so nothing can be decoded beforehand; leave "
            "`cache` out"
        )
    same = f"{_VERSION}\n{meaning}\n{split.meaning}\n{limit}\n"
    key = hash_files(f"{same}{PIL.__version__}\n{cv2.__version__}\n", split, files, place_and_times)
    place = hash_files(same, split, files, _place)
    path = _folder() / f"{file_name(dataset)}-{name}-{place[:_DIGITS]}{_SUFFIX}"
    with suppress(DataError):
        return DecodedSplit(split, path, key)
    # of processes that start together one writes, the others then find the file
    with locked(path.with_suffix(".lock"), wait=True), writing(path, _INSTEAD):
        with suppress(DataError):
            return DecodedSplit(split, path, key)
        rank_zero_info(f"decoding {what} once; kept in {path}")
        _refuse_full_disk(split, path, limit)
        replace_file(path, partial(_write, split=split, limit=limit, key=key))
    return DecodedSplit(split, path, key)


def remove_decoded(dataset: str) -> list[Path]:
    """Remove the decoded files of a dataset, of any split and size; return which."""
    start, end = escape(file_name(dataset)), f"{'?' * _DIGITS}{_SUFFIX}"
    names = get_args(SplitName)
    found = sorted(p for name in names for p in _folder().glob(f"{start}-{name}-{end}"))
    for path in found:
        with writing(path, _INSTEAD):
            path.unlink()
    return found


def _place(path: Path) -> bytes:
    return os.fsencode(path.absolute()) + b"\n"


def _folder() -> Path:
    with writing(Path("~/.cache"), _INSTEAD):  # if there is no home
        return cache_folder("decoded")


def _write(file: BinaryIO, split: Split, limit: Limit | None, key: str) -> None:
    rows, position = [], 0
    look: Callable[[Split, int], tuple[Array, Array]] = partial(_look, limit=limit)
    for image, label in walk(split, look, "decoding"):
        rows.append((position, *image.shape, image.dtype.itemsize))
        for array in (image, label):
            file.write(np.ascontiguousarray(array).data)
            file.write(bytes(-array.nbytes % _ALIGNED))
            position += _aligned(array.nbytes)
    index = json.dumps({"key": key, "rows": rows}).encode()
    file.write(index + len(index).to_bytes(_LENGTH, "little"))


def _look(split: Split, index: int, limit: Limit | None) -> tuple[Array, Array]:
    image, label = split.load(index)
    return limit(image, label) if limit else (image, label)


def _refuse_full_disk(split: Split, path: Path, limit: Limit | None) -> None:
    """Say that there is no room before the work, not after; sizes are those of a few samples."""
    chosen = np.unique(np.linspace(0, len(split) - 1, 5).round().astype(int))
    sizes = [sum(part.nbytes for part in _look(split, int(i), limit)) for i in chosen]
    needed = len(split) * sum(sizes) / len(sizes)
    path.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        megabytes = f"it needs about {needed / 2**20:,.0f} MB, {free / 2**20:,.0f} MB are free"
        raise OSError(errno.ENOSPC, megabytes)


def _aligned(size: Any) -> Any:
    return -(-size // _ALIGNED) * _ALIGNED
