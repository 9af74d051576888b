"""Calls a function on every sample of a split, on all processors, with a progress bar."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import active_children, parent_process
from multiprocessing.connection import wait
from typing import TypeVar, cast

from lightning_utilities.core.rank_zero import rank_zero_only
from rich.console import Console
from rich.progress import track

from lit_seg.data.processes import end_other_children, forking_context, processors
from lit_seg.data.splits import Split
from lit_seg.errors import STOP_SIGNALS, DataError

T = TypeVar("T")
_FEW = 64  # for fewer samples, starting processes costs more than it gains
_AHEAD = 4
"""Large results per process that may wait."""


def walk(
    split: Split,
    look: Callable[[Split, int], T],
    what: str,
    workers: int | None = None,
    large: bool = False,
) -> Iterator[T]:
    """Yield what ``look`` returns for each sample, in order.

    Args:
        split: the samples.
        look: a function at the top of a module, so that other processes find it.
        what: what is done, for the progress bar, which the first rank shows.
        workers: number of processes; by default one per processor, and none for few samples.
        large: whether what ``look`` returns is large, so that few results may wait in memory.
    """
    size = len(split)
    if workers is None:
        workers = 0 if size < _FEW else processors()
    # not on stdout, which a command may pipe, nor on the console where training shows its own bar
    console = Console(stderr=True)
    first = getattr(rank_zero_only, "rank", 0) == 0
    hidden = size < _FEW or not first or not console.is_terminal
    bar = partial(track, total=size, transient=True, console=console, disable=hidden)
    started = _started(split, look, workers, large) if workers > 1 else None
    if started is None:
        yield from bar((look(split, index) for index in range(size)), what)
        return
    pool, found = started
    try:
        yield from bar(cast(Iterator[T], found), what)
    except BrokenProcessPool:
        raise DataError(
            f"{what}: a process ended, most often for lack of memory; free some and try again"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _started(
    split: Split, look: Callable[[Split, int], T], workers: int, large: bool
) -> tuple[ProcessPoolExecutor, Iterator[object]] | None:
    """Start processes; None if the system refuses them, their threads or their locks."""
    size, others = len(split), set(active_children())
    context, pool = forking_context(), None
    try:
        pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(split, look))
        with _interrupt_held():  # the processes start here
            if large:
                first = deque(pool.submit(_look, i) for i in range(min(size, _AHEAD * workers)))
                return pool, _one_by_one(pool, first, size)
            chunk = max(1, min(32, size // (8 * workers)))
            return pool, pool.map(_look, range(size), chunksize=chunk)
    except (OSError, RuntimeError):
        end_other_children(others)
        return None
    except KeyboardInterrupt:  # nobody else knows the pool yet
        if pool is not None:
            pool.shutdown(cancel_futures=True)
        raise


def _one_by_one(
    pool: ProcessPoolExecutor, waiting: "deque[Future[object]]", size: int
) -> Iterator[object]:
    """Yield results in order; each that is taken lets one more sample be looked at."""
    begun = len(waiting)
    while waiting:
        found = waiting.popleft().result()
        if begun < size:
            waiting.append(pool.submit(_look, begun))
            begun += 1
        yield found


@contextmanager
def _interrupt_held() -> Iterator[None]:
    """Hold Ctrl-C back until the end of this context.

    Python runs hooks after each fork and ignores all errors in them, also a KeyboardInterrupt.
    """
    if threading.current_thread() is not threading.main_thread():  # it gets no signals
        yield
        return
    held: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda signum, _: held.append(signum))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        for signum in held:
            signal.raise_signal(signum)


_of_process: tuple[Split, Callable[[Split, int], object]]


def _begin(split: Split, look: Callable[[Split, int], object]) -> None:
    global _of_process
    _of_process = split, look
    # Ctrl-C and schedulers signal all processes of a run. A fork inherits the handlers of its
    # parent: here it works on until the parent sends SIGTERM or ends
    for signum in STOP_SIGNALS:
        signal.signal(signum, signal.SIG_DFL if signum == signal.SIGTERM else signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _look(index: int) -> object:
    split, look = _of_process
    return look(split, index)
