"""The processes that load samples: how they start and end, and how batches come back from them."""

import os
import shutil
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from multiprocessing import active_children, get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import cv2
import torch
from lightning_utilities.core.rank_zero import rank_zero_info
from torch import Tensor
from torch.utils.data import DataLoader

from lit_seg.errors import DataError, ignore_signals, plural

_SHARED_MEMORY = Path("/dev/shm")  # of Linux; other systems have no folder for it
_AHEAD = 2
"""Batches that each worker loads ahead."""
_IN_USE = 2
"""Batches that the trainer has: the one of this step, and the next one."""
_LOADERS = 2
"""Those of training and validation, which load ahead at the same time."""
_LEAST = 2**20
"""Bytes of shared memory without which not even the locks of the queues can be made."""


class WorkerLoader(DataLoader[Any]):
    """A DataLoader that says what to do where its workers cannot be started."""

    def __iter__(self) -> Any:
        others = set(active_children())
        try:
            return super().__iter__()
        except (OSError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "start new thread" not in str(error):
                raise
            for process in set(active_children()) - others:  # nobody else would end them
                process.kill()
                process.join()
            # torch's iterator, which is made by half, cannot even be deleted without an error
            hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
            traceback.clear_frames(error.__traceback__)
            sys.unraisablehook = hook
            raise DataError(
                f"{plural(self.num_workers, 'process')} that load images cannot be started "
                f"({error}); take fewer by `data.init_args.num_workers`, 0 for none, or raise the "
                "limits on processes, memory and open files (`ulimit -a`)"
            ) from None


def worker_options(workers: int, batch_bytes: int) -> dict[str, Any]:
    """The options of a DataLoader with so many workers, or with none where none can work.

    Batches come back in shared memory. Where there is too little of it, they come through pipes.
    """
    if not workers:
        return {}
    free = _free_shared_memory()
    ranks = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    needed = _LOADERS * ranks * (workers * _AHEAD + _IN_USE) * batch_bytes
    small = (
        f"{_SHARED_MEMORY}: has {_megabytes(free)} free, the batches of {workers * ranks} "
        f"processes need {_megabytes(needed)}: "
    )
    if free < _LEAST:
        rank_zero_info(f"{small}images are loaded without such processes, which is slower")
        return {}
    if free < needed:
        rank_zero_info(f"{small}they are sent through pipes, which is a little slower")
    return {
        "num_workers": workers,
        "prefetch_factor": _AHEAD,
        "persistent_workers": True,
        "multiprocessing_context": WorkerContext(),
        "worker_init_fn": begin if free >= needed else _begin_with_pipes,
        "collate_fn": None if free >= needed else _stack,
    }


class _Worker(get_context().Process):  # type: ignore[misc]
    """A process that ends when its loader says so, although it ignores SIGTERM."""

    def start(self) -> None:
        super().start()
        global _ended_by  # a fork inherits what is registered, but does not call it
        if _ended_by != os.getpid():
            _ended_by = os.getpid()
            Finalize(None, _end_workers, exitpriority=0)

    def terminate(self) -> None:
        self.kill()


class WorkerContext(type(get_context())):  # type: ignore[misc]
    """The way in which this system starts processes, for workers."""

    Process = _Worker


_ended_by = 0
"""The process that ends its workers when it exits itself."""


def _end_workers() -> None:
    """End workers whose loader is still in use: Python would send SIGTERM and wait for ever."""
    workers = [process for process in active_children() if isinstance(process, _Worker)]
    if workers and hasattr(signal, "SIGCHLD"):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch raises an error for a killed worker
    for worker in workers:
        worker.kill()


def begin(worker: int) -> None:
    """Work in one thread, as torch does in its workers, and leave signals to the trainer.

    Ctrl-C and schedulers send them to all processes of a run. Workers load on until the trainer,
    which handles the signal, ends them by ``kill``, or ends itself.
    """
    cv2.setNumThreads(0)
    ignore_signals()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End also where torch would wait for ever until somebody takes a large result."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _begin_with_pipes(worker: int) -> None:
    """Let tensors be sent with their values, not as a place in shared memory."""
    begin(worker)
    ForkingPickler.register(Tensor, lambda tensor: (torch.from_numpy, (tensor.numpy(),)))


def _stack(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A batch as torch collates it, but in the memory of this process."""
    columns = {key: [sample[key] for sample in samples] for key in samples[0]}
    return {
        key: torch.stack(values) if isinstance(values[0], Tensor) else values
        for key, values in columns.items()
    }


def _free_shared_memory() -> int:
    if not _SHARED_MEMORY.parent.is_dir() or os.uname().sysname != "Linux":
        return 2**63
    try:
        usage = shutil.disk_usage(_SHARED_MEMORY)
    except OSError:
        return 0
    if not os.access(_SHARED_MEMORY, os.W_OK):
        return 0
    return usage.free if usage.total else 2**63  # without a limit its size is 0


def processors() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.1f} MB"
