"""A lock that one process holds at a time."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path, wait: bool) -> Iterator[None]:
    """Hold a lock on a file, which is made; go on at once where it cannot be locked.

    Raises:
        BlockingIOError: if another process holds it and this one should not ``wait``.
    """
    with ExitStack() as stack:
        try:
            import fcntl  # Windows has none

            path.parent.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context(path.open("wb"))
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except (OSError, ImportError):  # some network file systems have no locks either
            pass
        yield
