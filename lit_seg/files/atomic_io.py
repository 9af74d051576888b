"""Writes files completely or not at all, with an error that names the file.

No file is written through a link: a folder from elsewhere could lead it to any file of the user.
"""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import BinaryIO

from lit_seg.errors import WriteError
from lit_seg.files.unicode import printable


@contextmanager
def writing(path: Path, instead: str = "another folder by --run_dir") -> Iterator[None]:
    """Turn an ``OSError`` within it into a WriteError that names the path and the way out."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise WriteError(
            f"{path}: cannot be written ({reason}); make room or give {instead}"
        ) from error


def replace_file(path: Path, write: Callable[[BinaryIO], object], shared: bool = False) -> None:
    """Write a draft and move it into place, so a kill or a full disk leaves the old file.

    Each draft has a name of its own. Those that killed processes left are removed, unless the file
    is ``shared``: then other processes may be writing theirs.
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not shared:
            for left in path.parent.glob(f".{escape(path.name)}.*.tmp"):
                left.unlink(missing_ok=True)
        with new_file(draft) as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise


def replace_text(path: Path, text: str) -> None:
    """Write a text by :func:`replace_file`; a WriteError says why it cannot be written."""
    with writing(path):
        replace_file(path, lambda file: file.write(printable(text).encode()))


def new_file(path: Path) -> BinaryIO:
    """Open a file that takes the place of what is there; a link is replaced, not followed."""
    path.unlink(missing_ok=True)
    return path.open("xb")  # which fails where anything is, also a link to nowhere


def without_links(path: str, flags: int) -> int:
    """An ``opener`` for :func:`open` that refuses a link, for files that are added to."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)  # Windows lacks the flag
