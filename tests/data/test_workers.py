"""The processes that load samples: all of them end, and small machines get the same batches."""

import errno
import os
import signal
from collections.abc import Iterator
from multiprocessing import Pipe, active_children, get_context, resource_sharer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import pytest
import torch

from lit_seg.cli.error_messages import message_of
from lit_seg.data import Streets, resumable, workers
from lit_seg.data.counting.walk import walk
from lit_seg.errors import DataError
from tests.data.test_walk import Numbers, square_and_process
from tests.same import same


@pytest.fixture
def data(few_streets: None) -> Streets:
    return Streets(batch_size=4, num_workers=2, height=16, width=24)


def batches(data: Streets) -> list[object]:
    return [*data.train_dataloader(), *data.val_dataloader()]


in_use: list[Iterator[object]] = []


def load_on(pids: Connection) -> None:
    """Leave with a loader in use, of which one worker was killed and one does not answer."""
    loader = Streets(batch_size=4, num_workers=3, height=16, width=24).train_dataloader()
    in_use.append(iter(loader))
    next(in_use[0])
    first, second, third = active_children()
    pids.send([process.pid for process in (first, second, third)])
    os.kill(second.pid or 0, signal.SIGTERM)  # as a scheduler does: it loads on
    os.kill(first.pid or 0, signal.SIGKILL)
    os.kill(third.pid or 0, signal.SIGSTOP)


@pytest.mark.usefixtures("few_streets")
def test_a_process_ends_with_all_its_workers() -> None:
    """Although its loader is in use, and whatever became of them."""
    here, there = Pipe()
    process = get_context("fork").Process(target=load_on, args=(there,))
    process.start()
    process.join(60)
    hung = process.is_alive()
    process.kill()
    assert not hung
    for pid in here.recv():
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_with_little_shared_memory_batches_come_through_pipes(
    data: Streets, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    usual = batches(data)
    assert usual[0]["image"].is_shared()
    monkeypatch.setattr(workers, "_LEAST", 0)
    monkeypatch.setattr(workers, "_free_shared_memory", lambda: 1)
    with caplog.at_level("INFO"):
        piped = batches(data)
    assert same(piped, usual)
    assert not piped[0]["image"].is_shared()
    assert "/dev/shm: has 0.0 MB free" in caplog.text
    assert data.train_dataloader().num_workers == 2


def test_without_shared_memory_the_trainer_loads_itself(
    data: Streets, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    usual = batches(data)
    monkeypatch.setattr(workers, "_SHARED_MEMORY", tmp_path / "none")
    with caplog.at_level("INFO"):
        assert same(batches(data), usual)
    assert data.train_dataloader().num_workers == 0
    assert "without such processes" in caplog.text


class Threads(list[int]):
    """A dataset that tells in how many threads it is read."""

    def __getitem__(self, _: object) -> Any:
        return {"image": torch.tensor([cv2.getNumThreads(), torch.get_num_threads()])}


def test_a_worker_has_one_thread() -> None:
    loader = workers.WorkerLoader(Threads([0]), **workers.worker_options(1, 1))  # type: ignore[arg-type]
    assert next(iter(loader))["image"].tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("processors", "ranks", "expected"), [(1, 1, 2), (2, 1, 2), (6, 1, 5), (16, 4, 3), (64, 2, 8)]
)
def test_there_are_as_many_workers_as_the_processors_carry(
    processors: int, ranks: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable, "processors", lambda: processors)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(ranks))
    assert Streets().num_workers == expected
    assert Streets(num_workers=0).num_workers == 0


def refuse(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system refuse to start a process, but for the first ones."""
    fork, calls = os.fork, []

    def refusing() -> int:
        calls.append(1)
        if len(calls) > after:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return fork()

    monkeypatch.setattr(os, "fork", refusing)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("after", [0, 1])
def test_workers_that_cannot_be_started_are_told_in_one_line(
    after: int, data: Streets, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = active_children()
    refuse(after, monkeypatch)
    with pytest.raises(DataError, match=r"2 processes .* unavailable.*num_workers.*ulimit"):
        iter(data.train_dataloader())
    assert set(active_children()) <= set(before)


@pytest.mark.parametrize("after", [0, 1])
def test_without_processes_a_split_is_walked_over_in_this_one(
    after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = active_children()
    refuse(after, monkeypatch)
    found = list(walk(Numbers(100), square_and_process, "squaring", workers=2))
    assert found == [(i * i, os.getpid()) for i in range(100)]
    assert set(active_children()) <= set(before)


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as found:
        return found


@pytest.mark.parametrize(
    ("error", "way_out"),
    [
        (RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"), "num_workers"),
        (
            RuntimeError(
                "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that "
                "dataloader's workers are out of shared memory. Please try to raise your limit."
            ),
            "--shm-size",
        ),
        (
            RuntimeError(
                "Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback:\n  x\n"
                "RuntimeError: unable to write to file </torch_7>: No space left on device (28)"
            ),
            "--shm-size",
        ),
        (RuntimeError("received 0 items of ancdata"), "ulimit -n"),
    ],
)
def test_a_worker_that_is_lost_is_told_in_one_line(error: Exception, way_out: str) -> None:
    message = message_of(raised(error), "fit")
    assert message is not None
    assert way_out in message
    assert "\n" not in message


def test_a_batch_whose_worker_has_gone_is_told_too(tmp_path: Path) -> None:
    """What it wanted to send is fetched by a connection to it."""
    gone = resource_sharer.DupFd.__new__(resource_sharer.DupFd)
    gone._id = (str(tmp_path / "gone"), 1)
    with pytest.raises(FileNotFoundError) as found:
        gone.detach()
    message = message_of(found.value, "fit")
    assert message is not None
    assert "a process that loads images ended" in message


def test_an_error_of_your_own_code_keeps_its_traceback() -> None:
    own = RuntimeError("Caught RuntimeError in DataLoader worker process 0.\nRuntimeError: mine")
    assert message_of(raised(own), "fit") is None
