"""Downloads and unpacks the archives of a dataset; an interrupted download is resumed."""

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import cast
from urllib.error import HTTPError
from urllib.request import Request, build_opener

from lit_seg.data.card import Archive
from lit_seg.data.download.unpack import bytes_bar, unpack
from lit_seg.errors import DataError, reason_of
from lit_seg.files.atomic_io import replace_file
from lit_seg.files.lock import locked

_MARKER = ".downloaded.json"
_CHUNK = 2**20
_LONG = 2**27
"""From this number of bytes, a checksum takes long enough for a progress bar."""
_PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds to wait before each attempt to resume a dropped connection."""


class _DroppedError(Exception):
    """A connection ended early, or the server gave no usable answer."""


def download(archives: Sequence[Archive], root: Path, timeout: float = 60.0) -> None:
    """Download, verify and unpack the archives that are missing.

    Files of a later archive replace files of equal names. After an error, which names the URL or
    file, the bytes received so far are kept.

    Args:
        archives: in the order to unpack them.
        root: folder of the dataset, which is made if it is missing.
        timeout: how many seconds to wait for a server that sends nothing.
    """
    try:
        waiting = [archive for archive in archives if not _is_done(archive, root)]
        if not waiting:  # then a root that is read-only will do
            return
        root.mkdir(parents=True, exist_ok=True)
        with locked(root / ".download.lock", wait=False):
            for archive in waiting:
                path = archive.place(root)
                _fetch(archive, path, timeout)
                if archive.unpack:
                    unpack(path, root / archive.into, root / ".unpacking")
                    _mark(archive, root / _MARKER)
                    path.unlink()
    except BlockingIOError:
        raise DataError(
            f"{root}: another process is downloading into it; wait until it has ended"
        ) from None
    except OSError as error:
        raise DataError(
            f"{error.filename or root}: cannot be used ({error.strerror or error}); make room, or "
            "give a folder that you may write to; what came so far is kept"
        ) from error


def _is_done(archive: Archive, root: Path) -> bool:
    if archive.unpack:
        known_by = root / _MARKER
        done = archive.checksum.lower() in _marked(known_by)
    else:
        known_by = archive.place(root)
        done = known_by.exists() and _require_intact(known_by, archive)
    if done:
        sys.stdout.write(f"{archive.name}: is there already; remove {known_by} to get it again\n")
    return done


def _marked(marker: Path) -> dict[str, str]:
    """Read the URLs of the unpacked archives by checksum; a damaged file counts as empty."""
    try:
        content = json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _mark(archive: Archive, marker: Path) -> None:
    done = {**_marked(marker), archive.checksum.lower(): archive.url}
    replace_file(marker, lambda file: file.write(json.dumps(done, indent=1).encode()))


def _fetch(archive: Archive, path: Path, timeout: float) -> None:
    if path.exists():
        _require_intact(path, archive)
        return
    # with the checksum in its name, the part of another version of the file is not gone on with
    part = path.with_name(f"{path.name}.{archive.checksum.lower().rpartition(':')[2][:8]}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    _require_room(archive, part)
    with bytes_bar(f"downloading {archive.name}", archive.size) as show:
        _receive_all(archive, part, path, timeout, show)
    if complaint := _complaint(part, archive):
        part.unlink()
        raise DataError(f"{archive.url}: {complaint}; run the same command again to start over")
    part.replace(path)


def _require_room(archive: Archive, part: Path) -> None:
    """Check the free space: images hardly compress, so unpacking needs the archive's size again."""
    needed = (archive.size or 0) * (2 if archive.unpack else 1) - _size(part)
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise DataError(
            f"{part.parent}: has {free / 1e9:.1f} GB left, {archive.url} needs "
            f"{needed / 1e9:.1f} GB; make room or give another folder"
        )


def _receive_all(
    archive: Archive, part: Path, path: Path, timeout: float, show: Callable[..., None]
) -> None:
    """Resume dropped connections until the end, as long as each one brings new bytes."""
    most, left = _size(part), 0
    while True:
        try:
            if _receive(archive, part, timeout, show):
                return
        except _DroppedError as error:
            if _size(part) > most:
                most, left = _size(part), len(_PAUSES)
            if not left:
                raise DataError(
                    f"{archive.url}: {error} ({_size(part)} bytes so far); run the same command "
                    f"again to go on, or download it by hand and put it as {path}"
                ) from error
            time.sleep(_PAUSES[-left])
            left -= 1


def _receive(archive: Archive, part: Path, timeout: float, show: Callable[..., None]) -> bool:
    """Receive the rest of the partial file over one connection.

    If it does not fit the file of the server, it is removed and False is returned.
    """
    have = _size(part)
    headers = {"User-Agent": "lit_seg"} | ({"Range": f"bytes={have}-"} if have else {})
    with _open(Request(archive.url, headers=headers), timeout) as response:
        extent = response.headers.get("Content-Range", "")
        if have and extent == f"bytes */{have}":  # with status 416: it is complete
            return True
        if have and response.status in (206, 416):
            if not extent.startswith(f"bytes {have}-"):
                part.unlink()
                return False
        elif response.status == 200:
            have = 0
            part.unlink(missing_ok=True)
        else:
            raise _DroppedError(f"HTTP {response.status} {reason_of(response)}")
        whole = extent.rpartition("/")[2]
        length = response.headers.get("Content-Length", "")
        end = int(whole) if whole.isdecimal() else have + int(length) if length else None
        with part.open("ab") as file:
            while end is None or have < end:
                chunk = _read(response, _CHUNK if end is None else min(_CHUNK, end - have))
                if not chunk:
                    break
                file.write(chunk)
                file.flush()  # else a kill would lose it
                have += len(chunk)
                show(have, end)
    if end is not None and have < end:
        raise _DroppedError(f"the connection closed {end - have} bytes before the end")
    return True


def _open(request: Request, timeout: float) -> HTTPResponse:
    try:
        return cast(HTTPResponse, build_opener().open(request, timeout=timeout))
    except HTTPError as error:
        return cast(HTTPResponse, error)  # it has the same attributes
    except (OSError, HTTPException) as error:
        raise _DroppedError(reason_of(error)) from error


def _read(response: HTTPResponse, size: int) -> bytes:
    try:
        return response.read1(size)
    except (OSError, HTTPException) as error:
        raise _DroppedError(reason_of(error)) from error


def _require_intact(path: Path, archive: Archive) -> bool:
    """Return True or raise an error; a damaged file may be the user's, so it is not removed."""
    if complaint := _complaint(path, archive):
        raise DataError(
            f"{path}: {complaint}; move it away, then it is downloaded from {archive.url}"
        )
    return True


def _complaint(path: Path, archive: Archive) -> str:
    algorithm, _, expected = archive.checksum.lower().partition(":")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    size = _size(path)
    with path.open("rb") as file, bytes_bar(f"verifying {path.name}", size, size >= _LONG) as show:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            show(file.tell())
    found = digest.hexdigest()
    return "" if found == expected else f"its {algorithm} is {found}, expected {expected}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
