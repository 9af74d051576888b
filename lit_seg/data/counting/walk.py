"""Calls a function on every sample of a split, on all processors, with a progress bar."""

import traceback
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import torch
from lightning_utilities.core.rank_zero import rank_zero_only
from rich.console import Console
from rich.progress import track
from torch.utils.data import Dataset

from lit_seg.data.splits import Split
from lit_seg.data.workers import WorkerContext, WorkerLoader, begin, processors
from lit_seg.errors import DataError

T = TypeVar("T")
_FEW = 64  # for fewer samples, starting processes costs more than it gains
_AHEAD = 4
"""Results per process that may wait in memory."""


def walk(
    split: Split, look: Callable[[Split, int], T], what: str, workers: int | None = None
) -> Iterator[T]:
    """Yield what ``look`` returns for each sample, in order.

    Args:
        split: the samples.
        look: a function at the top of a module, so that other processes find it.
        what: what is done, for the progress bar, which the first rank shows.
        workers: number of processes; by default one per processor, and none for few samples, or if
            the system refuses them.
    """
    size = len(split)
    if workers is None:
        workers = 0 if size < _FEW else processors()
    # not on stdout, which a command may pipe, nor on the console where training shows its own bar
    console = Console(stderr=True)
    first = getattr(rank_zero_only, "rank", 0) == 0
    hidden = size < _FEW or not first or not console.is_terminal
    looks = _Looks(split, look)
    found = _on_processes(looks, workers) if workers > 1 else map(looks.__getitem__, range(size))
    try:
        for each in track(found, what, size, transient=True, console=console, disable=hidden):
            if isinstance(each, Exception):
                raise each
            yield each
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        traceback.clear_frames(error.__traceback__)  # they keep the other processes
        raise DataError(
            f"{what}: a process ended, most often for lack of memory; free some and try again"
        ) from None
    finally:
        del found  # which ends the other processes


class _Looks(Dataset[Any]):
    """What ``look`` returns for each sample, or the error that it raises."""

    def __init__(self, split: Split, look: Callable[[Split, int], Any]) -> None:
        self.split, self.look = split, look

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> Any:
        try:
            return self.look(self.split, index)
        except Exception as error:  # torch would put a traceback into its message
            return error


def _on_processes(looks: _Looks, workers: int) -> Iterator[Any]:
    loader = WorkerLoader(
        looks,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=_AHEAD,
        collate_fn=_as_it_is,
        worker_init_fn=begin,
        multiprocessing_context=WorkerContext(),
        generator=torch.Generator(),  # of its own: the global one is that of the training
    )
    try:
        return iter(loader)
    except DataError:  # the system refuses processes, their threads or their locks
        return map(looks.__getitem__, range(len(looks)))


def _as_it_is(found: Any) -> Any:
    return found
