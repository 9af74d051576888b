"""A lock that one process holds at a time."""

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from lit_seg.files.atomic_io import without_links

_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EROFS}
"""What the system says where files cannot be locked, as on some network disks."""


@contextmanager
def locked(path: Path, wait: bool) -> Iterator[None]:
    """Hold a lock on a file, which is created; go on at once where there are no locks.

    One that waits only saves work, so it goes on wherever the file cannot be locked. The system
    releases the lock when this process ends, however it ends; processes that it started do not
    keep it. Other machines see it on network disks that pass locks on, as NFS does.

    Raises:
        BlockingIOError: if another process holds it and this one should not ``wait``. Its text
            says which, on which machine and since when.
        OSError: if this one should not wait, and the file cannot be opened or is no plain one:
            then nothing would hold off the next process.
    """
    file = _take(path, wait)
    try:
        yield
    finally:
        if file is not None:
            with suppress(OSError), file:
                file.truncate(0)


def _take(path: Path, wait: bool) -> TextIO | None:
    """Open and lock the file, and write into it who holds it; None if there are no locks."""
    try:
        import fcntl
    except ImportError:  # Windows has none
        return None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = without_links(str(path), os.O_RDWR | os.O_CREAT)
        file = os.fdopen(opened, "r+", encoding="utf-8", errors="replace")
    except OSError as error:
        if wait or error.errno in _NO_LOCKS:
            return None
        raise
    try:
        # a lock of the process: with `flock` a worker that outlives its parent would keep it
        fcntl.lockf(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # systems differ in how they say that it is held
        file.seek(0)
        holder = "".join(c for c in file.read(200) if c.isprintable())
        file.close()
        raise BlockingIOError(holder or "another process") from None
    except OSError as error:
        if wait or error.errno in _NO_LOCKS:
            return file
        file.close()
        raise
    if not _is_at(path, file):  # who held it has removed the file
        file.close()
        return _take(path, wait)
    with suppress(OSError):  # a full disk has no room for the name
        file.truncate(0)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        file.write(f"process {os.getpid()} on {socket.gethostname()} since {since}")
        file.flush()
    return file


def _is_at(path: Path, file: TextIO) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
