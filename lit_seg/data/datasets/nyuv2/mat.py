"""NYUv2 as published: all images and labels in one HDF5 file, the official split in another."""

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from lit_seg.data.card import SplitName
from lit_seg.data.label_maps import LabelMap
from lit_seg.data.splits import Split
from lit_seg.errors import DataError, reason_of
from lit_seg.images.open_and_save import Array
from lit_seg.metrics.labels import VOID

LABELED = "nyu_depth_v2_labeled.mat"
MAPPING = "classMapping40.mat"
IMAGES = 1449
HOW_TO_GET = (
    "NYUv2 is nyu_depth_v2_labeled.mat and splits.mat of "
    "http://horatio.cs.nyu.edu/mit/silberman (nyu_depth_v2/ and indoor_seg_sup/), and beside "
    "them classMapping40.mat of https://github.com/ankurhanda/nyuv2-meta-data. The README "
    "there also leads to PNGs of 13 classes and to nyu_train_rgb.tgz and nyu_test_rgb.tgz, "
    "and https://github.com/lorenmt/mtan to arrays of 288x384: either will do instead."
)
_SECONDS = 60
_MOST_BYTES, _MOST_VALUES = 2**20, 2**20
"""The older .mat files have 10 kB and 894 values: whatever holds far more is another file."""


class MatSplit(Split):
    """The images of a split in ``nyu_depth_v2_labeled.mat``, read one at a time.

    The file is opened for each of them, in a millisecond: processes cannot share an open one, and
    the workers of a loader are forked. ``ids_of_40`` is the class id of each label, 0 (void) to 40,
    of ``classMapping40.mat``.
    """

    def __init__(self, root: Path, name: SplitName, ids_of_40: Mapping[int, int]) -> None:
        self.path = root / LABELED
        self.mapping = root / MAPPING
        (of_40,) = _read_numbers(self.mapping, ("mapClass",), 40)
        ids = {0: VOID} | {label: ids_of_40[group] for label, group in enumerate(of_40, 1)}
        self.label_map = LabelMap(ids)
        self.meaning = self.label_map.meaning
        with _open(self.path) as file:
            count = len(file["labels"])
        self.numbers = official_numbers(root, name, count)

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

    def _read(self, what: str, index: int) -> npt.NDArray[Any]:
        number = self.numbers[index]
        try:
            with _open(self.path) as file:
                return np.asarray(file[what][number - 1])
        except (OSError, RuntimeError, ValueError, KeyError) as error:  # h5py raises all on damage
            raise DataError(
                f"{self.path}: {what[:-1]} {number} cannot be read ({reason_of(error)}); "
                "fetch the file again"
            ) from None


def official_numbers(root: Path, name: SplitName, most: int) -> list[int]:
    """The numbers, 1 to ``most``, of the images of an official split in ``splits.mat``."""
    path = root / "splits.mat"
    train, test = _read_numbers(path, ("trainNdxs", "testNdxs"), most)
    if len({*train, *test}) < len(train) + len(test):
        raise DataError(
            f"{path}: holds an image twice, so it is no split; fetch it again. {HOW_TO_GET}"
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
            f"{path}: cannot be read as HDF5 ({reason_of(error)}); fetch it again, it has "
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


def _read_numbers(path: Path, names: Sequence[str], most: int) -> list[list[int]]:
    """Read variables of an older .mat file; they must hold whole numbers from 1 to ``most``."""
    if not path.is_file():
        raise DataError(f"{path}: not found. {HOW_TO_GET}")
    try:
        found = read_matlab(path, *names)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read as a .mat file ({reason_of(error)}); fetch it again. "
            f"{HOW_TO_GET}"
        ) from None
    for name in names:
        if name not in found:
            raise DataError(
                f"{path}: holds no `{name}`; it is another file of this name. {HOW_TO_GET}"
            )
        values = found[name]
        wrong = values[~((values >= 1) & (values <= most) & (values == np.floor(values)))]
        if len(wrong) or not len(values):
            raise DataError(
                f"{path}: `{name}` holds {np.unique(wrong).tolist()[:10] or 'nothing'}, expected "
                f"whole numbers from 1 to {most}. {HOW_TO_GET}"
            )
    return [found[name].astype(int).tolist() for name in names]


def read_matlab(path: Path, *names: str) -> dict[str, npt.NDArray[Any]]:
    """Read arrays of numbers from a file of MATLAB 5 to 7 by SciPy, in a process of its own.

    The numbers of each variable are in one row, column by column; variables may be missing. It is
    a ValueError if the file is damaged or of another kind, or a variable is no array of numbers.
    """
    stat = path.stat()
    return _read_apart(path, names, (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))


@lru_cache(maxsize=8)  # each split reads the same two files
def _read_apart(
    path: Path, names: Sequence[str], version: tuple[int, int, int]
) -> dict[str, npt.NDArray[Any]]:
    import_module("scipy.io")  # slow, so only NYUv2 imports it, and a fork finds it imported

    # SciPy does not only raise on damaged files: some end its process, some keep it busy
    try:
        receiver, sender = Pipe(duplex=False)
        process = Process(target=_send, args=(sender, path, names), daemon=True)
        process.start()
    except OSError as error:
        raise DataError(
            f"{path}: no process can be started to read it ({error.strerror}); raise the limits on "
            "processes, memory and open files (`ulimit -a`)"
        ) from None
    sender.close()
    try:
        if not receiver.poll(_SECONDS):
            raise ValueError(f"it is damaged: SciPy has not read it in {_SECONDS} s")
        found: dict[str, npt.NDArray[Any]] | str = receiver.recv()
    except EOFError:
        raise ValueError("it is damaged: SciPy ended while it read it") from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if isinstance(found, str):
        raise ValueError(found)
    return found


def _send(sender: Connection, path: Path, names: Sequence[str]) -> None:
    try:
        sender.send(_read(path, names))
    except Exception as error:  # SciPy has a dozen kinds for damaged files
        with suppress(OSError):
            sender.send(reason_of(error))


def _read(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    scipy_io: Any = import_module("scipy.io")
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f"it has {size} bytes, expected at most {_MOST_BYTES}")
    found = {name: (shape, kind) for name, shape, kind in scipy_io.whosmat(path) if name in names}
    for name, (shape, kind) in found.items():
        if kind not in ("single", "double") and "int" not in kind:
            raise ValueError(f"`{name}` is no array of numbers")
        if math.prod(shape) > _MOST_VALUES:  # SciPy would allocate them before it reads
            raise ValueError(f"`{name}` has shape {shape}, expected at most {_MOST_VALUES} values")
    values = scipy_io.loadmat(path, variable_names=list(found)) if found else {}
    return {name: np.asarray(values[name]).ravel(order="F") for name in found}
