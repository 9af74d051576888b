"""From stored labels to class ids: by number or by colour, with one lookup per pixel."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from lit_seg.errors import DataError, plural
from lit_seg.images.decode import decode_colour_label, decode_label, is_jpeg
from lit_seg.images.open_and_save import Array

Stored = npt.NDArray[np.integer]
_NOT_IDS = (
    "not ids; give the classes by `colours`, or convert the labels to one channel of class ids"
)


def read_ids(path: Path, why_not_colours: str = _NOT_IDS) -> Stored:
    """Read a label file as ``(H, W)`` integers, as they are stored.

    Indices of a palette stay indices; a 1-bit label is 0 and 1. ``why_not_colours`` is for the
    message about a label that holds colours.
    """
    return _integers(path, decode_label(path), why_not_colours)


def read_ids_as_saved(path: Path, lossy: bool = False) -> Stored:
    """Read ids as :func:`read_ids` does, and also as many tools save them, if nothing is lost.

    These are opaque greys of three channels, red with neither green nor blue, and floating-point
    numbers that are whole. ``lossy`` takes JPEG too.
    """
    image = decode_label(path, lossy)
    if is_jpeg(image):
        return np.asarray(image.convert("L"))
    if image.mode in ("RGB", "RGBA", "LA"):
        pixels = np.asarray(decode_colour_label(path).convert("RGBA"))
        red, others, alpha = pixels[..., 0], pixels[..., 1:3], pixels[..., 3]
        is_grey = (others == red[..., None]).all()
        if (alpha == 255).all() and (is_grey or not others.any()):
            return red
    if image.mode == "F":
        stored = np.asarray(image)
        with np.errstate(invalid="ignore"):  # NaN is no integer
            whole = stored.astype(np.int64)
        if np.array_equal(whole, stored):
            return whole
    return _integers(path, image, _NOT_IDS)


def _integers(path: Path, image: Image.Image, why_not_colours: str) -> Stored:
    if len(image.getbands()) > 1:
        raise DataError(f"{path}: holds colours ({image.mode}), {why_not_colours}")
    label = np.asarray(image)
    if np.issubdtype(label.dtype, np.floating):
        raise DataError(f"{path}: holds {label.dtype}, not ids; save it as integers")
    return label.astype(np.uint8) if label.dtype == np.bool_ else label


_NONE = 254
"""The mark of a value or colour that is no class: no class can have this id, see ``Folder``."""


class LabelMap:
    """Reads labels that are stored as numbers.

    Args:
        ids: stored value to class id or ``VOID``; every other value is an error.
        read: gives the stored values of a file.
        advice: what else may help where a value is illegal.
    """

    def __init__(
        self,
        ids: Mapping[int, int],
        read: Callable[[Path], Stored] = read_ids,
        advice: str = "",
    ) -> None:
        self.legal = sorted(ids)
        self.meaning = repr(sorted(ids.items()))
        self.read = read
        self._advice = advice
        # one entry for each 8- or 16-bit value, and a last one for all other values
        self._table = np.full(2**16 + 1, _NONE, np.uint8)
        within = {value: id for value, id in ids.items() if 0 <= value < 2**16}
        self._table[list(within.keys())] = list(within.values())
        self._others = {value: id for value, id in ids.items() if value not in within}

    def __call__(self, path: Path) -> Array:
        """Read a file as ``(H, W)`` uint8 class ids; an error names values that are illegal."""
        return self.map(self.read(path), path)

    def map(self, label: Stored, path: Path | str) -> Array:
        """Map stored values that were read already; ``path`` is for the message."""
        mapped: Array
        if label.dtype == np.uint8:  # OpenCV looks up several times faster
            mapped = cv2.LUT(label, self._table[:256])
        else:
            mapped = self._table[np.where((label >= 0) & (label < 2**16), label, 2**16)]
            for value, class_id in self._others.items():
                mapped[label == value] = class_id
        if (mapped == _NONE).any():
            illegal = np.unique(label[mapped == _NONE]).tolist()
            spread = all(v > 255 and v % 257 == 0 and v // 257 in self.legal for v in illegal)
            hint = (
                f"; of 16 bits, {illegal[0]} is what {illegal[0] // 257} is of 8" if spread else ""
            )
            raise DataError(
                f"{path}: holds the label values {illegal[:10]}, expected only "
                f"{_ranges(self.legal)}{hint}; it is of another release or dataset, or these "
                f"values need a class or a place in `ignore`{self._advice}"
            )
        return mapped


class ColourMap:
    """Reads labels that are stored as colours.

    Alpha counts where a colour is given with four values, which then comes before one of three.

    Args:
        ids: RGB or RGBA, each 0 to 255, to class id or ``VOID``; every other colour is an error.
    """

    def __init__(self, ids: Mapping[tuple[int, ...], int]) -> None:
        self.meaning = repr(sorted(ids.items()))
        self._number = len(ids)
        self._with_alpha = {c: i for c, i in ids.items() if len(c) == 4}
        self._opaque = tuple((_word(c), i) for c, i in ids.items() if len(c) == 3)

    def __call__(self, path: Path) -> Array:
        """Read a file as ``(H, W)`` uint8 class ids; a palette is resolved to its colours."""
        return self.map(np.asarray(decode_colour_label(path).convert("RGBA")), path)

    def map(self, label: Array, path: Path | str) -> Array:
        """Map ``(H, W, 4)`` colours that were read already; ``path`` is for the message."""
        words = np.ascontiguousarray(label).view(">u4")[..., 0].astype(np.uint32)
        mapped: Array = _class_of_rgb(self._opaque)[words >> np.uint32(8)]
        for colour, class_id in self._with_alpha.items():
            mapped[words == _word(colour)] = class_id
        if (mapped == _NONE).any():
            illegal = words[mapped == _NONE]
            found = np.unique(illegal)  # of numbers: to compare rows takes seconds
            first = [tuple(word.to_bytes(4, "big")) for word in found[:5].tolist()]
            shown = ", ".join(map(str, first)) + (", ..." if len(found) > 5 else "")
            raise DataError(
                f"{path}: holds {plural(len(found), 'colour')} of no class ({shown}, as RGBA) on "
                f"{plural(len(illegal), 'pixel')}, expected only the {self._number} listed ones"
            )
        return mapped


def _word(colour: tuple[int, ...]) -> int:
    """A colour as one number, red in its highest byte."""
    return int.from_bytes(bytes(colour), "big")


@lru_cache(maxsize=2)
def _class_of_rgb(ids: tuple[tuple[int, int], ...]) -> Array:
    """Class id of every RGB colour, by its number: several times faster than a search.

    The 16 MB are made where a label is first read, for all splits, and go to no other process.
    """
    table = np.full(2**24, _NONE, np.uint8)
    for word, class_id in ids:
        table[word] = class_id
    table.flags.writeable = False
    return table


def _ranges(values: Sequence[int]) -> str:
    """Write ``[0, 1, 2, 5]`` as ``0-2, 5``."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
