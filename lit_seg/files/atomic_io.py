"""Writing files completely or not at all, with an error that names the file."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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

    If the file is ``shared``, each process of each host has a draft of its own.
    """
    own = f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp"
    draft = path.with_name(own) if shared else path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
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
