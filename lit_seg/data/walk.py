"""Looking at every sample of a split, on all processors and with a progress bar."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar, cast

from lightning_utilities.core.rank_zero import rank_zero_only
from rich.progress import track

from lit_seg.data.dataset import Split
from lit_seg.errors import DataError

T = TypeVar("T")
_FEW = 64  # samples for which starting processes costs more than it gains


def walk(
    split: Split, look: Callable[[Split, int], T], what: str, workers: int | None = None
) -> Iterator[T]:
    """What ``look`` gives for each sample, in order.

    Args:
        split: whose samples.
        look: a function of a module, so that other processes find it.
        what: is done, for the progress bar; the first rank shows it.
        workers: processes; by default one per processor, and none for few samples.

    Raises:
        DataError: if a process ends, most often for lack of memory; and what ``look`` raises.
    """
    size = len(split)
    if workers is None:
        workers = 0 if size < _FEW else _processors()
    shown = getattr(rank_zero_only, "rank", 0) == 0
    if workers <= 1:
        results: Iterator[T] = (look(split, index) for index in range(size))
        yield from track(results, what, size, transient=True, disable=not shown or size < _FEW)
        return
    # spawned processes would import everything again; forked ones share what was imported
    method = "fork" if os.name == "posix" and os.uname().sysname == "Linux" else None
    pool = ProcessPoolExecutor(
        workers, get_context(method), initializer=_begin, initargs=(split, look)
    )
    try:
        found = pool.map(_look, range(size), chunksize=max(1, min(32, size // (8 * workers))))
        yield from track(cast(Iterator[T], found), what, size, transient=True, disable=not shown)
    except BrokenProcessPool:
        raise DataError(
            f"{what}: a process ended, most often for lack of memory; free some and try again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _processors() -> int:
    """That this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_of_process: tuple[Split, Callable[[Split, int], object]]


def _begin(split: Split, look: Callable[[Split, int], object]) -> None:
    global _of_process
    _of_process = split, look


def _look(index: int) -> object:
    split, look = _of_process
    return look(split, index)
