"""Unpacks an archive completely or not at all, and never outside of its folder."""

import errno
import gzip
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from rich import progress

from lit_seg.errors import DataError, reason_of


@contextmanager
def bytes_bar(what: str, total: int | None, shown: bool = True) -> Iterator[Callable[..., None]]:
    """Show a progress bar; yield a function of the bytes done and, if known by then, of all."""
    columns = (
        progress.TextColumn("{task.description}", markup=False),  # names may hold brackets
        *(progress.BarColumn(), progress.DownloadColumn()),
        *(progress.TransferSpeedColumn(), progress.TimeRemainingColumn()),
    )
    with progress.Progress(*columns, disable=not shown) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, total=None: bar.update(task, completed=done, total=total)


def unpack(path: Path, target: Path, draft: Path) -> None:
    """Unpack a .zip or .tar into a temporary folder ``draft``, then move all of it to ``target``.

    Files of that folder stay, unless the archive holds files of equal names.
    """
    if draft.exists():  # a killed process left it
        shutil.rmtree(draft)
    draft.mkdir()
    try:
        size = path.stat().st_size
        with path.open("rb") as raw, bytes_bar(f"unpacking {path.name}", size) as show:
            for _ in _extract(path, raw, draft):
                show(raw.tell())
            show(size)
        target.parent.mkdir(parents=True, exist_ok=True)
        _merge(draft, target)
    except (
        *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error),
        *(EOFError, RuntimeError, ValueError),  # zipfile and tarfile raise these too on damage
    ) as error:
        raise DataError(
            f"{path}: cannot be unpacked ({reason_of(error)}), though its checksum is right; look "
            "for another release, or unpack by hand what you trust"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _extract(path: Path, raw: BinaryIO, folder: Path) -> Iterator[None]:
    """Extract one member after the other; none gets out of the folder."""
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(raw) as packed:
            for name in packed.namelist():
                packed.extract(name, folder)  # `zipfile` makes no links, and drops `..` and drives
                yield
        return
    with tarfile.open(fileobj=raw) as archive:
        for member in archive:
            archive.extract(member, folder, filter="data")
            yield


def _merge(source: Path, target: Path) -> None:
    """Move a tree onto another one: folders are merged, files are replaced."""
    if source.is_dir() and not source.is_symlink() and target.is_dir():
        for entry in source.iterdir():
            _merge(entry, target / entry.name)
        return
    if target.is_symlink():
        target.unlink()
    elif target.is_dir():  # `move` would put it in there
        raise IsADirectoryError(errno.EISDIR, "a folder is where a file belongs", str(target))
    shutil.move(source, target)  # also to another disk, where a link may lead
