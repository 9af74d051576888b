"""Unpacks an archive completely or not at all, and never outside of its folder."""

import errno
import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from rich import progress

from lit_seg.data.file_lists import leads_out
from lit_seg.errors import DataError, reason_of

_CHUNK = 2**20


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
        extract = _extract_zip if path.suffix.lower() == ".zip" else _extract_tar
        with path.open("rb") as raw, bytes_bar(f"unpacking {path.name}", size) as show:
            for _ in extract(raw, draft):
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


def _extract_zip(raw: BinaryIO, folder: Path) -> Iterator[None]:
    with zipfile.ZipFile(raw) as archive:
        for member in archive.infolist():
            if leads_out(member.filename) or stat.S_ISLNK(member.external_attr >> 16):
                raise ValueError(f"its member {member.filename!r} leads out of it or is a link")
            archive.extract(member, folder)
            yield


def _extract_tar(raw: BinaryIO, folder: Path) -> Iterator[None]:
    with tarfile.open(fileobj=raw) as archive:
        for member in archive:
            if leads_out(member.name):
                raise ValueError(f"its member {member.name!r} leads out of it")
            archive.extract(member, folder, filter="data")
            yield
        # `tarfile` takes a damaged header for the end, and gzip checks its sum only at the end
        while rest := cast(BinaryIO, archive.fileobj).read(_CHUNK):
            if rest.strip(b"\0"):
                raise ValueError("what follows its last member is no archive")


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
