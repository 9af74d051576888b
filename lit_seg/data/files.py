"""Reading files and lists of files, with errors that name the file and what is wrong with it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
from PIL import Image

from lit_seg.data.transforms import Array
from lit_seg.errors import DataError

Pair = tuple[Path, Path]


def read_image(path: Path) -> Array:
    """An image file as ``(H, W, 3)`` uint8 RGB.

    Raises:
        DataError: if the file cannot be decoded to its end or holds more than 8 bits per channel.
    """
    image = decode(path)
    if image.mode.startswith("I") or image.mode == "F":  # conversion would clip them to white
        raise DataError(
            f"{path}: images must have 8 bits per channel, this one is of Pillow's mode "
            f"{image.mode}; scale it to 0..255 first"
        )
    return np.asarray(image.convert("RGB"))


def decode(path: Path) -> Image.Image:
    """An image file, decoded to its end and otherwise as it is stored.

    Raises:
        DataError: if it cannot be.
    """
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


class FileSplit:
    """A split given as pairs of files.

    Args:
        pairs: image and label path of each sample.
        read_label: gives the ``(H, W)`` uint8 class ids of a label file, such as a ``LabelMap``.
        root: names of samples are their image's path below it, without the suffix; without a root
            they are the file's name.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        read_label: Callable[[Path], Array],
        root: Path | None = None,
    ) -> None:
        self.pairs = pairs
        self.read_label = read_label
        self.root = root
        self.meaning = getattr(read_label, "meaning", "")
        """Of stored values: what they are read as."""

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        image = self.pairs[index][0]
        if self.root is None:
            return image.stem
        return image.relative_to(self.root).with_suffix("").as_posix()

    def load(self, index: int) -> tuple[Array, Array]:
        image_path, label_path = self.pairs[index]
        image, label = read_image(image_path), self.read_label(label_path)
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


told_later: ContextVar[bool] = ContextVar("missing files are told when loaded", default=False)


@contextmanager
def missing_files_later() -> Iterator[None]:
    """Within it a split is made although files of it are missing; loading them tells."""
    token = told_later.set(True)
    try:
        yield
    finally:
        told_later.reset(token)


def require_files(pairs: Sequence[Pair], how_to_get: str) -> None:
    """Check that both files of every pair are there.

    Raises:
        DataError: naming the first missing file and how many are missing.
    """
    if told_later.get():
        return
    missing = [path for pair in pairs for path in pair if not path.is_file()]
    if missing:
        raise DataError(
            f"{missing[0]}: no such file, its partner is listed "
            f"({len(missing)} of {2 * len(pairs)} files are missing). {how_to_get}"
        )
