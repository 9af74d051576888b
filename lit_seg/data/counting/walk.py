"""Calling a function on every sample of a split, on all processors, with a progress bar."""

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import torch
from lightning_utilities.core.rank_zero import rank_zero_only
from rich.console import Console
from rich.progress import track
from torch.utils.data import DataLoader

from lit_seg.data.splits import Split
from lit_seg.errors import DataError

T = TypeVar("T")
_FEW = 64  # for fewer samples, starting processes costs more than it gains


def walk(
    split: Split, look: Callable[[Split, int], T], what: str, workers: int | None = None
) -> Iterator[T]:
    """Yield what ``look`` returns for each sample, in order.

    Args:
        split: the samples.
        look: a function at the top of a module, so that other processes find it.
        what: what is done, for the progress bar, which the first rank shows.
        workers: number of processes; by default one per processor, and none for few samples.

    Raises:
        DataError: if a process ends, most often for lack of memory; and what ``look`` raises.
    """
    size = len(split)
    if workers is None:
        workers = 0 if size < _FEW else _processors()
    loader: DataLoader[Any] = DataLoader(
        range(size),  # type: ignore[arg-type]
        batch_size=8 if workers > 1 else 1,
        collate_fn=partial(_look_at_all, split, look),
        num_workers=workers if workers > 1 else 0,
        worker_init_fn=_leave_signals_to_the_parent,
        generator=torch.Generator(),  # else the global one would draw a seed for the workers
    )
    # not on stdout, which a command may pipe, nor on the console where training shows its own bar
    console = Console(stderr=True)
    first = getattr(rank_zero_only, "rank", 0) == 0
    shown = size >= _FEW and first and console.is_terminal
    bar = partial(track, total=size, transient=True, console=console, disable=not shown)
    try:
        # the iterator has no name here: the processes end when it is dropped
        for value in bar(chain.from_iterable(_started(loader)), what):
            if isinstance(value, Exception):
                raise value
            yield value
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise DataError(
            f"{what}: a process ended, most often for lack of memory; free some and try again"
        ) from None


def _look_at_all(
    split: Split, look: Callable[[Split, int], T], indices: Sequence[int]
) -> list[T | Exception]:
    """Look at samples; an error becomes a value, or else the loader would change its text."""
    found: list[T | Exception] = []
    for index in indices:
        try:
            found.append(look(split, index))
        except Exception as error:
            error.add_note(traceback.format_exc())
            found.append(error)
    return found


def _started(loader: DataLoader[Any]) -> Iterator[list[Any]]:
    """Start the processes of a loader, and hold Ctrl-C back meanwhile.

    Python runs hooks after each fork and ignores the errors in them, also a KeyboardInterrupt.
    """
    if threading.current_thread() is not threading.main_thread():  # it gets no signals
        return iter(loader)
    held: list[int] = []
    handler = signal.signal(signal.SIGINT, lambda signum, frame: held.append(signum))
    try:
        return iter(loader)
    finally:
        signal.signal(signal.SIGINT, handler)
        for signum in held:
            signal.raise_signal(signum)


def _processors() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _leave_signals_to_the_parent(worker: int) -> None:
    """Go on until the parent ends or sends SIGTERM, for which a fork inherits its handler."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
