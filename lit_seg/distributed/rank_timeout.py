"""Processes that train together: how one that dies or hangs ends all of them, with a message.

A rank that waits for another gives up after ``--rank_timeout`` seconds, and at once when the
connection breaks. What was started here is then ended here: no process is left behind.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch.distributed as dist
from lightning_fabric.utilities.distributed import _set_num_threads_if_needed
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.strategies.launchers import _SubprocessScriptLauncher
from torch.distributed import distributed_c10d

_START_SECONDS = 300.0  # a first import from a network disk takes minutes
_NOTICE_SECONDS = 2.0  # what a rank has to notice by itself that another one is gone
_LEAVE_SECONDS = 30.0  # what it has to write a checkpoint and leave; torchrun grants the same
_STRAGGLER_SECONDS = 5.0
_SIGNS = (  # of gloo and of the store behind all backends, which raise a plain RuntimeError
    *("gloo/", "Connection closed by peer", "Connection reset by peer", "Broken pipe"),
    *("Timed out waiting", "wait timeout after", "timeout caused pair closure"),
)


class RankTimeout(Callback):
    """Ends the run when a rank waits too long for the others.

    The time counts from here on: before, ranks wait for each other's imports, and have at least
    five minutes for them.

    Args:
        seconds: the longest wait.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """All ranks are here: wait less from now on."""
        if dist.is_available() and dist.is_initialized():
            distributed_c10d._set_pg_timeout(timedelta(seconds=self.seconds))


class RankLauncher(_SubprocessScriptLauncher):
    """Starts a process per device as Lightning does, and ends all of them when one has died.

    Lightning kills the others within five seconds, whatever they are doing: here they have time
    to say what happened, to write a checkpoint, and to close their loggers.
    """

    timeout = 0.0
    """How long this process waits for the others when its work is done."""

    def launch(
        self,
        function: Callable[..., Any],
        *args: Any,
        trainer: Trainer | None = None,
        **kwargs: Any,
    ) -> Any:
        """Start the other processes, watch them, and call ``function``."""
        self.cluster_environment.validate_settings(self.num_processes, self.num_nodes)
        if not self.cluster_environment.creates_processes_externally:
            self._call_children_scripts()
            _watch(self.procs, self._dead, self.timeout)
        elif _PARENT in os.environ and _watcher is None:
            _watch([], _dead_parent, self.timeout)
        _set_num_threads_if_needed(self.num_processes)
        return function(*args, **kwargs)

    def _call_children_scripts(self) -> None:
        os.environ[_PARENT] = str(os.getpid())
        try:
            super()._call_children_scripts()
        finally:
            del os.environ[_PARENT]

    def _dead(self) -> str | None:
        for rank, process in enumerate(self.procs, 1):
            code = process.poll()
            if code and code < 128:  # above: a signal asked all ranks to stop, they are about to
                how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
                return f"rank {rank} of {self.num_processes} (process {process.pid}) ended: {how}"
        return None


_PARENT = "LIT_SEG_PARENT"  # the process that started this one


def _dead_parent() -> str | None:
    parent = os.environ[_PARENT]
    return None if str(os.getppid()) == parent else f"rank 0 (process {parent}) ended"


class _Watcher(threading.Thread):
    def __init__(
        self, started: list[subprocess.Popen[bytes]], dead: Callable[[], str | None], timeout: float
    ) -> None:
        super().__init__(daemon=True, name="rank-watcher")
        self.timeout = timeout
        self.started = started
        self.dead = dead
        self.leaving = threading.Event()
        self.lost = False

    def run(self) -> None:
        while (what := self.dead()) is None:
            if self.leaving.wait(0.5):
                return
        self.lost = True
        _say(f"{what}, so all end. {_WAY_OUT}")
        # in a collective it fails by itself; elsewhere, as in a long validation, it must be told
        if self.leaving.wait(_NOTICE_SECONDS):
            return
        os.kill(os.getpid(), signal.SIGTERM)  # `StopSignal` passes it on
        if not self.leaving.wait(_LEAVE_SECONDS):
            _kill(self.started)
            os.kill(os.getpid(), signal.SIGKILL)


_watcher: _Watcher | None = None


def _watch(
    started: list[subprocess.Popen[bytes]], dead: Callable[[], str | None], timeout: float
) -> None:
    global _watcher
    _watcher = _Watcher(started, dead, timeout)
    _watcher.start()


def watch_ranks(trainer: Trainer, seconds: float) -> None:
    """Put the time limit and the watching launcher into a trainer that was just made."""
    strategy = trainer.strategy
    if hasattr(strategy, "_timeout"):
        strategy._timeout = timedelta(seconds=max(seconds, _START_SECONDS))
    launcher = strategy._launcher
    if type(launcher) is _SubprocessScriptLauncher:
        strategy._launcher = RankLauncher(
            launcher.cluster_environment, launcher.num_processes, launcher.num_nodes
        )
        strategy._launcher.timeout = seconds


def lost_rank(error: BaseException) -> str | None:
    """What to tell the user, if an error is that of a rank that lost another one; else None."""
    text = str(error)
    of_ranks = isinstance(error, dist.DistError) or any(sign in text for sign in _SIGNS)
    if not isinstance(error, RuntimeError) or not of_ranks:
        return None
    reason = text.splitlines()[0].rsplit("] ", 1)[-1] if text else type(error).__name__
    return (
        f"{_who()} lost another rank at {time.strftime('%H:%M:%S')} ({reason}): it died, or it "
        f"hangs and --rank_timeout was reached. {_WAY_OUT}"
    )


def rank_was_lost() -> bool:
    """Whether a rank on this machine was found dead, so that this process had to stop."""
    return _watcher is not None and _watcher.lost


def leave(code: int) -> int:
    """When this process is done with ``code``: wait for those that it started, and end them.

    Returns:
        The exit code; not 0 if one of them failed.
    """
    global _watcher
    watcher, _watcher = _watcher, None
    if watcher is None:
        return code
    watcher.leaving.set()
    deadline = time.monotonic() + (_STRAGGLER_SECONDS if code else watcher.timeout)
    for process in watcher.started:
        try:
            ended = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            ended = 1
        code = code or ended
    _kill(watcher.started)
    return code


def end_process(code: int) -> int:
    """End a rank that failed without the interpreter's own end, in which open connections abort."""
    if code == 0 or not (dist.is_available() and dist.is_initialized()):
        return code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


_WAY_OUT = (
    "Look at the message of the rank that ended first, then go on by `make train RESUME=<run>`"
)


def _who() -> str:
    if dist.is_available() and dist.is_initialized():
        return f"rank {dist.get_rank()} of {dist.get_world_size()}"
    rank = os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))
    return f"rank {rank} of {os.environ.get('WORLD_SIZE', '?')}"


def _say(message: str) -> None:
    sys.stderr.write(f"error: {message}\n")
    sys.stderr.flush()


def _kill(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()  # also one that is stopped; nothing where it has ended
        process.wait()
