"""From label files, as stored, to class ids: by number or by colour, each by one lookup."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lit_seg.data.files import decode
from lit_seg.data.transforms import Array
from lit_seg.errors import DataError
from lit_seg.labels import VOID

Stored = npt.NDArray[np.integer]
Colour = tuple[int, int, int]


def read_ids(path: Path) -> Stored:
    """A label file as ``(H, W)`` integers, as stored: palette indices stay indices.

    Raises:
        DataError: if the file cannot be decoded to its end or has several channels.
    """
    label = np.asarray(decode(path))
    if label.ndim != 2 or not np.issubdtype(label.dtype, np.integer):
        raise DataError(
            f"{path}: labels must be one channel of integers, got shape {label.shape} of "
            f"{label.dtype}; colour-coded labels must be converted to class ids first"
        )
    return label


class LabelMap:
    """Reads labels that are stored as numbers.

    Args:
        ids: stored value, 0 to 65535, to class id or ``VOID``; every other value is an error.
        read: gives the stored values of a file; :func:`read_ids` by default.
    """

    def __init__(self, ids: Mapping[int, int], read: Callable[[Path], Stored] = read_ids) -> None:
        self.legal = sorted(ids)
        self.read = read
        # 8- and 16-bit values, and a last entry for what lies outside
        self._table = np.full(2**16 + 1, VOID, np.uint8)
        self._known = np.zeros(2**16 + 1, np.bool_)
        for value, class_id in ids.items():
            self._table[value] = class_id
            self._known[value] = True

    def __call__(self, path: Path) -> Array:
        """``(H, W)`` uint8 class ids of a file.

        Raises:
            DataError: if it cannot be read, or naming its illegal values and the legal ones.
        """
        return self.map(self.read(path), path)

    def map(self, label: Stored, path: Path | str) -> Array:
        """The same for stored values that were read already; ``path`` is for the message."""
        index = np.where((label >= 0) & (label < 2**16), label, 2**16)
        illegal = ~self._known[index]
        if illegal.any():
            raise DataError(
                f"{path}: is of another release or dataset: it holds the label values "
                f"{np.unique(label[illegal]).tolist()[:10]}, expected only {_ranges(self.legal)}"
            )
        mapped: Array = self._table[index]
        return mapped


class ColourMap:
    """Reads labels that are stored as colours.

    Alpha counts where a colour is given with four values, which then comes before one of three.

    Args:
        ids: RGB or RGBA, each 0 to 255, to class id or ``VOID``; every other colour is an error.
    """

    def __init__(self, ids: Mapping[tuple[int, ...], int]) -> None:
        self.legal = list(ids)
        self._with_alpha = _lookup({c: i for c, i in ids.items() if len(c) == 4})
        self._without = _lookup({c: i for c, i in ids.items() if len(c) == 3})

    def __call__(self, path: Path) -> Array:
        """``(H, W)`` uint8 class ids of a file; a palette is resolved to its colours.

        Raises:
            DataError: if it cannot be read, or naming its illegal colours.
        """
        image = decode(path)
        if image.mode in ("I;16", "I", "F"):
            raise DataError(
                f"{path}: holds numbers ({image.mode}), not colours; give the classes by `ids`"
            )
        return self.map(np.asarray(image.convert("RGBA")), path)

    def map(self, label: Array, path: Path | str) -> Array:
        """The same for ``(H, W, 4)`` colours that were read already."""
        words = np.ascontiguousarray(label).view(">u4")[..., 0].astype(np.uint32)
        ids, known = _find(self._with_alpha, words)
        more, also_known = _find(self._without, words >> np.uint32(8))
        illegal = ~(known | also_known)
        if illegal.any():
            found = sorted({tuple(colour) for colour in label[illegal].tolist()})
            shown = ", ".join(map(str, found[:5])) + (", ..." if len(found) > 5 else "")
            raise DataError(
                f"{path}: holds {len(found)} colours that are no class ({shown}, as RGBA) on "
                f"{int(illegal.sum())} pixels, expected only the {len(self.legal)} listed ones"
            )
        mapped: Array = np.where(known, ids, more)
        return mapped


Lookup = tuple[npt.NDArray[np.uint32], Array]


def _lookup(ids: Mapping[tuple[int, ...], int]) -> Lookup:
    """Colours as sorted words, and the class of each."""
    pairs = sorted((int.from_bytes(bytes(colour), "big"), i) for colour, i in ids.items())
    return (
        np.array([word for word, _ in pairs], np.uint32),
        np.array([i for _, i in pairs], np.uint8),
    )


def _find(lookup: Lookup, words: npt.NDArray[np.uint32]) -> tuple[Array, npt.NDArray[np.bool_]]:
    """The class of each word, and whether there is one."""
    keys, ids = lookup
    if not len(keys):
        return np.zeros(words.shape, np.uint8), np.zeros(words.shape, np.bool_)
    place = np.searchsorted(keys, words).clip(max=len(keys) - 1)
    return ids[place], keys[place] == words


def _ranges(values: Sequence[int]) -> str:
    """``[0, 1, 2, 5]`` as ``0-2, 5``."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
