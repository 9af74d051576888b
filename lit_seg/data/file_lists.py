"""Reads lists of files, whose paths stay below the root, and tells of one fault or of all.

Training stops at the first wrong file. ``data check`` wants them all: within
:func:`faults_listed` a split is made although single files or lines of a list are wrong.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path, PurePosixPath, PureWindowsPath

from lit_seg.errors import DataError


def leads_out(path: str) -> bool:
    """Whether a relative path may lead out of the folder that it is put below."""
    parts = PureWindowsPath(path)  # knows drives, and both kinds of slashes
    return bool(parts.anchor) or ".." in parts.parts or "\0" in path


def inside(root: Path, listed: str, where: str) -> Path:
    """Find the file below ``root`` that a list names.

    Links below the root may lead elsewhere, since the owner of the data put them there; a list,
    whose paths have forward slashes, may not. ``where`` is list and line, for the message.
    """
    path = PurePosixPath(listed)
    if leads_out(listed) or not path.parts:
        raise DataError(
            f"{where}: {listed!r} leads out of {root}; paths in a list must lie below it, without "
            "`..`, a drive or a slash in front"
        )
    return root / path


def read_lines(listing: Path) -> list[tuple[int, str]]:
    """Read the lines of a list that are not blank, with their numbers from 1."""
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{listing}: is no UTF-8 text ({error}); save it as UTF-8, or fetch it again"
        ) from None
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def read_stems(folder: Path, listing: Path) -> list[str]:
    """Read the stems that a list names in the first word of its lines, each once.

    They are files below ``folder``. ``RGB/5.jpg Label/5.png``, ``RGB/5.jpg`` and ``5`` all give
    ``5``.
    """
    stems: dict[str, None] = {}
    for number, line in read_lines(listing):
        if line.startswith("#"):  # such as the head of Oxford-IIIT Pet's list.txt
            continue
        listed, where = line.split()[0], f"{listing}: line {number}"
        with single_fault():
            inside(folder, listed, where)
            stem = PurePosixPath(listed).name.removesuffix(".jpg").removesuffix(".png")
            if stem in stems:
                raise DataError(
                    f"{where}: lists {stem} for the second time; remove one of the lines"
                )
            stems[stem] = None
    return list(stems)


_faults: ContextVar[list[str] | None] = ContextVar("faults of single files", default=None)


@contextmanager
def faults_listed() -> Iterator[list[str]]:
    """Collect the faults of single files and lines in the list that this yields.

    A wrong file or line is left out of the split. A missing file stays in it: to load it is an
    error that names it.
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
    """Mark what concerns a single file or line: :func:`faults_listed` goes on after its error."""
    try:
        yield
    except DataError as error:
        faults = _faults.get()
        if faults is None:
            raise
        faults.append(str(error))
