"""Reading files and lists of files, with errors that name the file and what is wrong with it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePosixPath

from lit_seg.data.decode import read_image
from lit_seg.data.paths import leads_out
from lit_seg.data.transforms import Array
from lit_seg.errors import DataError

Pair = tuple[Path, Path]


class FileSplit:
    """A split given as pairs of files.

    Args:
        pairs: image and label path of each sample.
        read_label: gives the ``(H, W)`` uint8 class ids of a label file, such as a ``LabelMap``.
        root: names of samples are their image's path below it, without the suffix; without a root
            they are the file's name.
        read_image: gives the ``(H, W, 3)`` uint8 RGB of an image file.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        read_label: Callable[[Path], Array],
        root: Path | None = None,
        read_image: Callable[[Path], Array] = read_image,
    ) -> None:
        self.pairs = pairs
        self.read_label = read_label
        self.read_image = read_image
        self.root = root
        name = getattr(read_label, "__qualname__", type(read_label).__qualname__)
        self.meaning: str = getattr(read_label, "meaning", f"{read_label.__module__}.{name}")

    def __len__(self) -> int:
        return len(self.pairs)

    def name(self, index: int) -> str:
        image = self.pairs[index][0]
        if self.root is None:
            return image.stem
        return image.relative_to(self.root).with_suffix("").as_posix()

    def load(self, index: int) -> tuple[Array, Array]:
        image_path, label_path = self.pairs[index]
        image, label = self.read_image(image_path), self.read_label(label_path)
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
    path = PurePosixPath(listed)
    if leads_out(listed) or not path.parts:
        raise DataError(
            f"{where}: {listed!r} leads out of {root}; paths in a list must lie below it, without "
            "`..`, a drive or a slash in front"
        )
    return root / path


def read_lines(listing: Path) -> list[tuple[int, str]]:
    """The lines of a list that are not blank, with their numbers from 1.

    Raises:
        DataError: if it is no text.
    """
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{listing}: is no UTF-8 text ({error}); save it as UTF-8, or fetch it again"
        ) from None
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


_faults: ContextVar[list[str] | None] = ContextVar("faults of single files", default=None)


@contextmanager
def faults_listed() -> Iterator[list[str]]:
    """Within it a split is made although single files or lines of a list are wrong.

    Gives the list that they are added to. What is wrong is left out of the split; files that are
    missing stay in it, loading them tells.
    """
    faults: list[str] = []
    token = _faults.set(faults)
    try:
        yield faults
    finally:
        _faults.reset(token)


def listing_faults() -> bool:
    """Whether this is within :func:`faults_listed`."""
    return _faults.get() is not None


@contextmanager
def single_fault() -> Iterator[None]:
    """Around what concerns a single file or line: :func:`faults_listed` goes on after it.

    Raises:
        DataError: that was raised within it, where faults are not listed.
    """
    try:
        yield
    except DataError as error:
        faults = _faults.get()
        if faults is None:
            raise
        faults.append(str(error))


def require_files(pairs: Sequence[Pair], how_to_get: str) -> None:
    """Check that both files of every pair are there.

    Raises:
        DataError: naming the first missing file and how many are missing.
    """
    if listing_faults():
        return
    missing = [path for pair in pairs for path in pair if not path.is_file()]
    if missing:
        raise DataError(
            f"{missing[0]}: no such file, its partner is listed "
            f"({len(missing)} of {2 * len(pairs)} files are missing). {how_to_get}"
        )
