"""Reading image and label files, with errors that name the file and what is wrong with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import numpy.typing as npt
from PIL import Image

from lit_seg.data.transforms import Array
from lit_seg.errors import DataError
from lit_seg.labels import VOID

Pair = tuple[Path, Path]


def read_image(path: Path) -> Array:
    """An image file as ``(H, W, 3)`` uint8 RGB.

    Raises:
        DataError: if the file cannot be decoded to its end.
    """
    return np.asarray(_decode(path).convert("RGB"))


def read_label(path: Path) -> npt.NDArray[np.integer]:
    """A label file as ``(H, W)`` integers, as stored: palette indices stay indices.

    Raises:
        DataError: if the file cannot be decoded to its end or has several channels.
    """
    label = np.asarray(_decode(path))
    if label.ndim != 2 or not np.issubdtype(label.dtype, np.integer):
        raise DataError(
            f"{path}: labels must be one channel of integers, got shape {label.shape} of "
            f"{label.dtype}; colour-coded labels must be converted to class ids first"
        )
    return label


def _decode(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    # Pillow raises all of these on damage
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = error if path.stat().st_size else "it is empty"
        raise DataError(f"{path}: cannot be read as an image ({reason}); fetch it again") from None


class LabelMap:
    """Stored label values to class ids, by one lookup table.

    Args:
        ids: stored value to class id or ``VOID``; every other value is an error.
    """

    def __init__(self, ids: Mapping[int, int]) -> None:
        self.legal = sorted(ids)
        # 8- and 16-bit values, and a last entry for what lies outside
        self._table = np.full(2**16 + 1, VOID, np.uint8)
        self._known = np.zeros(2**16 + 1, np.bool_)
        for value, class_id in ids.items():
            self._table[value] = class_id
            self._known[value] = True

    def __call__(self, label: npt.NDArray[np.integer], path: Path) -> Array:
        """``(H, W)`` class ids.

        Raises:
            DataError: naming the file, its illegal values and the legal ones.
        """
        index = np.where((label >= 0) & (label < 2**16), label, 2**16)
        illegal = ~self._known[index]
        if illegal.any():
            raise DataError(
                f"{path}: is of another release or dataset: it holds the label values "
                f"{np.unique(label[illegal]).tolist()[:10]}, expected only {_ranges(self.legal)}"
            )
        mapped: Array = self._table[index]
        return mapped


class FileSplit:
    """A split given as pairs of files.

    Args:
        pairs: image and label path of each sample.
        label_map: from stored values to class ids.
    """

    def __init__(self, pairs: Sequence[Pair], label_map: LabelMap) -> None:
        self.pairs = pairs
        self.label_map = label_map

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        return self.pairs[index][0].stem

    def load(self, index: int) -> tuple[Array, Array]:
        image_path, label_path = self.pairs[index]
        image = read_image(image_path)
        label = self.label_map(read_label(label_path), label_path)
        if image.shape[:2] != label.shape:
            raise DataError(
                f"{label_path}: is {label.shape[0]}x{label.shape[1]} (height x width), its image "
                f"{image_path} is {image.shape[0]}x{image.shape[1]}; they must agree"
            )
        return image, label


def inside(root: Path, listed: str, where: str) -> Path:
    """The file below ``root`` that a list names.

    Links within the root may lead elsewhere, they were put there by whoever owns it; the list
    alone may not.

    Args:
        root: of the dataset.
        listed: a relative path with forward slashes, as it stands in the list.
        where: list and line, for the message.

    Raises:
        DataError: if the path is absolute, has a drive letter, or goes up by ``..``.
    """
    parts = PureWindowsPath(listed)  # knows drives, and both kinds of slashes
    if parts.anchor or ".." in parts.parts or not parts.parts or "\0" in listed:
        raise DataError(
            f"{where}: {listed!r} leads out of {root}; paths in a list must lie below it, without "
            "`..`, a drive or a slash in front"
        )
    return root / PurePosixPath(listed)


def read_lines(listing: Path) -> list[tuple[int, str]]:
    """The lines of a list that are not blank, with their numbers from 1.

    Raises:
        DataError: if it is no text.
    """
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{listing}: is no text ({error}); fetch it again") from None
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def require_files(pairs: Sequence[Pair], how_to_get: str) -> None:
    """Check that both files of every pair are there.

    Raises:
        DataError: naming the first missing file and how many are missing.
    """
    missing = [path for pair in pairs for path in pair if not path.is_file()]
    if missing:
        raise DataError(
            f"{missing[0]}: no such file, its partner is listed "
            f"({len(missing)} of {2 * len(pairs)} files are missing). {how_to_get}"
        )


def _ranges(values: Sequence[int]) -> str:
    """``[0, 1, 2, 5]`` as ``0-2, 5``."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
