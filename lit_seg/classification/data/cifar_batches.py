"""Reads the official files of CIFAR, which are pickles, without running what they may hold.

A pickle names functions to call. Here each of the three names that these files need stands for a
class that only keeps what it is given; any other name is refused. So not even NumPy makes an array
of what a file says.
"""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lit_seg.classification.data.image_splits import Targets
from lit_seg.errors import DataError, reason_of
from lit_seg.images.open_and_save import Array


class _Kept:
    """Stands for an array or its type; an array's bytes are the last part of its state."""

    state: Any = ()

    def __init__(self, *args: object) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Class:
    """Stands for the type of arrays, which is only passed on."""


_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): _Kept,
    ("numpy", "ndarray"): _Class,
    ("numpy", "dtype"): _Kept,
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        return _NAMES[module, name]


def read_batch(path: Path, label: str) -> tuple[Array, Targets]:
    """Read a file of CIFAR-10 or CIFAR-100.

    Args:
        path: the file, such as ``data_batch_1``.
        label: its key of the classes, ``labels`` or ``fine_labels``.

    Returns:
        ``(N, 32, 32, 3)`` uint8 RGB and ``(N,)`` class ids.

    Raises:
        DataError: if it is none of these files.
    """
    try:
        with path.open("rb") as file:
            found: Mapping[bytes, Any] = _Unpickler(file, encoding="bytes").load()
        pixels, labels = found[b"data"].state[-1], found[label.encode()]
        rows = np.frombuffer(pixels, np.uint8).reshape(len(labels), 3, 32, 32)
        targets = np.array(labels, np.int64).reshape(len(labels))
    except Exception as error:  # a damaged pickle may raise anything
        raise DataError(
            f"{path}: is no official file of CIFAR ({reason_of(error)}); fetch it again"
        ) from None
    return rows.transpose(0, 2, 3, 1), targets
