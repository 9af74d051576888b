"""One process at a time trains the run in a folder."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from lit_seg.errors import RunError
from lit_seg.files.lock import locked
from lit_seg.runs.layout import LOCK


@contextmanager
def hold_run(folder: Path) -> Iterator[None]:
    """Hold the run in ``folder``, which is made; a run that wrote nothing leaves no folder.

    Raises:
        RunError: naming the process that holds it, or the file if it cannot be locked.
    """
    made = [path for path in (folder, *folder.absolute().parents) if not path.exists()]
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / LOCK, wait=False))
        except BlockingIOError as error:
            raise RunError(
                f"{folder}: is being trained by {error}; wait until that has ended, or give "
                "another --run_dir for a new run"
            ) from None
        except OSError as error:  # nothing would hold off a second process
            raise RunError(
                f"{folder / LOCK}: cannot be locked ({error.strerror or error}), though it says "
                "that the run is being trained; if no process trains it, remove that"
            ) from None
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / LOCK).unlink()
                for path in made:
                    path.rmdir()  # which fails if it holds anything
