"""Lists of numbers from the .mat files of MATLAB 5 to 7.

SciPy reads all of the format, but ends the process on some files that are damaged.
"""

import struct
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

# fmt: off
_DTYPES = {
    1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8",
    13: "<u8",
}
# fmt: on
_MATRIX, _COMPRESSED = 14, 15
_NUMERIC = range(6, 16)
"""Classes of arrays: below are cells, structures, objects, text and sparse ones."""
_MOST = 2**24
"""Bytes that a variable may unpack to."""


def read_mat5(path: Path, name: str) -> npt.NDArray[Any] | None:
    """The numbers of a variable in one row, column by column; None if there is no such variable.

    Raises:
        ValueError: if the file is damaged or of another kind, or the variable is.
    """
    content = path.read_bytes()
    if content[124:128] != b"\0\1IM":
        raise ValueError("it has no header of MATLAB 5 to 7")
    for kind, data in _elements(content[128:]):
        if kind == _COMPRESSED:
            try:
                unpacked = zlib.decompressobj().decompress(data, _MOST)
            except zlib.error as error:
                raise ValueError(str(error)) from None
            kind, data = next(_elements(unpacked), (0, b""))
        if kind != _MATRIX:
            raise ValueError(f"it holds an element of type {kind} in place of a variable")
        parts = list(islice(_elements(data), 4))  # flags, shape, name, values
        if len(parts) > 2 and parts[2][1] == name.encode():
            if len(parts) < 4 or not _is_numeric(parts[0][1]):
                raise ValueError(f"`{name}` is no array of numbers")
            kind, values = parts[3]
            if kind not in _DTYPES:
                raise ValueError(f"`{name}` holds values of type {kind}")
            return np.frombuffer(values, _DTYPES[kind])
    return None


def _is_numeric(flags: bytes) -> bool:
    return len(flags) == 8 and flags[0] in _NUMERIC


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and bytes of each element; those of up to four bytes may share eight with their type."""
    at = 0
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        start, most = at + 8, len(data) - at - 8
        at = start + size + (0 if kind == _COMPRESSED else -size % 8)
        if kind >> 16:
            kind, size, start, most, at = kind & 0xFFFF, kind >> 16, start - 4, 4, start
        if size > most:
            raise ValueError("it ends before its last element does")
        yield kind, data[start : start + size]
