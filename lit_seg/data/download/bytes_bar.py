"""A progress bar over bytes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress


@contextmanager
def bytes_bar(what: str, total: int | None, shown: bool = True) -> Iterator[Callable[..., None]]:
    """A bar over bytes; it gives a function that takes the bytes done and, if known, of all."""
    columns = (
        progress.TextColumn("{task.description}", markup=False),  # names may hold brackets
        *(progress.BarColumn(), progress.DownloadColumn()),
        *(progress.TransferSpeedColumn(), progress.TimeRemainingColumn()),
    )
    with progress.Progress(*columns, disable=not shown) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done, total=None: bar.update(task, completed=done, total=total)
