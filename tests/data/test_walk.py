"""Walking over a split: in order, on several processes, with errors and interrupts that arrive."""

import os
import signal
import sys
import threading
import time
from multiprocessing import get_context

import psutil
import pytest
import torch
from lightning_utilities.core.rank_zero import rank_zero_only

from lit_seg.data.counting import walk as module
from lit_seg.data.counting.walk import walk
from lit_seg.data.workers import processors
from lit_seg.errors import DataError


class Numbers:
    """A split of numbers; what is done with them is up to ``look``."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size


def square_and_process(split, index):
    return index * index, os.getpid()


def slowest_first(split, index):
    time.sleep(0.01 * (index % 3 == 0))
    return index


def fail_at_seven(split, index):
    if index == 7:
        raise DataError("annot/7.png: cannot be read (it is empty); fetch it again")
    return index


def fail_otherwise(split, index):
    raise KeyError("no such thing")


def end_suddenly(split, index):
    if index == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return index


def signal_handlers(split, index):
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]


def after_torch(split, index):
    return float(torch.ones(3).sum())


def children():
    return [child.pid for child in psutil.Process().children() if child.status() != "zombie"]


@pytest.fixture(autouse=True)
def _leaves_no_process():
    """Beside those that other tests have left."""
    before = set(children())
    yield
    assert set(children()) <= before


@pytest.mark.parametrize(
    ("workers", "size"), [(0, 0), (0, 1), (0, 150), (1, 17), (2, 0), (2, 1), (2, 17), (3, 150)]
)
def test_all_samples_come_in_order(size, workers):
    assert list(walk(Numbers(size), slowest_first, "looking", workers)) == list(range(size))


def test_many_samples_come_in_order():
    found = list(walk(Numbers(700), square_and_process, "looking", 2))
    assert [value for value, _ in found] == [index * index for index in range(700)]
    assert os.getpid() not in {process for _, process in found}


def touched(split, index):
    (split.folder / str(index)).touch()
    return index


def test_few_results_wait(tmp_path):
    split = Numbers(60)
    split.folder = tmp_path
    results = walk(split, touched, "looking", 2)
    assert next(results) == 0
    time.sleep(0.3)
    assert len(list(tmp_path.iterdir())) <= 2 * module._AHEAD + 1
    assert list(results) == list(range(1, 60))


def test_few_samples_need_no_process(monkeypatch):
    monkeypatch.setattr(module, "processors", lambda: 2)
    few = list(walk(Numbers(module._FEW - 1), square_and_process, "looking"))
    assert {process for _, process in few} == {os.getpid()}
    many = list(walk(Numbers(module._FEW), square_and_process, "looking"))
    assert os.getpid() not in {process for _, process in many}
    monkeypatch.setattr(module, "processors", lambda: 1)
    alone = list(walk(Numbers(module._FEW), square_and_process, "looking"))
    assert {process for _, process in alone} == {os.getpid()}


def test_processors_are_those_this_process_may_use(monkeypatch):
    assert processors() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")  # as on macOS
    assert processors() == os.cpu_count()


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_arrives_as_it_was_raised(workers):
    with pytest.raises(DataError) as caught:
        list(walk(Numbers(20), fail_at_seven, "looking", workers))
    assert type(caught.value) is DataError
    assert str(caught.value) == "annot/7.png: cannot be read (it is empty); fetch it again"
    with pytest.raises(KeyError, match="no such thing"):
        list(walk(Numbers(20), fail_otherwise, "looking", workers))


def test_a_killed_process_is_named_as_such():
    with pytest.raises(
        DataError, match=r"^counting: a process ended, .* lack of memory; free some"
    ):
        list(walk(Numbers(20), end_suddenly, "counting", 2))


@pytest.mark.parametrize("workers", [0, 2])
def test_leaving_early_leaves_no_process(workers):
    found = walk(Numbers(200), square_and_process, "looking", workers)
    assert next(found)[0] == 0
    found.close()


def test_processes_do_not_have_the_handlers_of_the_trainer():
    """They work on until it ends them by a kill."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
    before = [signal.signal(number, lambda *_: None) for number in numbers]
    try:
        found = list(walk(Numbers(4), signal_handlers, "looking", 2))
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    assert found == 4 * [3 * [signal.SIG_IGN]]


def test_it_works_in_a_thread_beside_threads_of_torch():
    torch.rand(300, 300) @ torch.rand(300, 300)
    found = []
    thread = threading.Thread(
        target=lambda: found.extend(walk(Numbers(20), after_torch, "looking", 2))
    )
    thread.start()
    thread.join(timeout=60)
    assert found == 20 * [3.0]


class Folder(Numbers):
    """A long split, into whose folder each process that looks at it writes its number."""

    def __init__(self, path):
        super().__init__(5000)
        self.path = path


def slow(split, index):
    (split.path / str(os.getpid())).touch()
    time.sleep(0.01)
    return index


def large(split, index):
    """More than fits into a pipe, where the last ones stay if nobody takes them."""
    return slow(split, index), bytes(2**19)


def walk_slowly(folder, errors):
    os.setsid()
    sys.stderr = errors.open("w")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for _ in walk(Folder(folder), large, "looking", 2):
        pass


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupt_leaves_no_process(tmp_path, signum):
    """Ctrl-C reaches the whole group; a kill the first process alone."""
    folder, errors = tmp_path / "begun", tmp_path / "errors"
    folder.mkdir()
    process = get_context("fork").Process(target=walk_slowly, args=(folder, errors))
    process.start()
    first, deadline = psutil.Process(process.pid), time.monotonic() + 30
    while len(list(folder.iterdir())) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    workers = first.children()
    (os.killpg if signum == signal.SIGINT else os.kill)(process.pid, signum)
    process.join(timeout=30)
    assert process.exitcode == (1 if signum == signal.SIGINT else -signum)
    alive = psutil.wait_procs(workers, timeout=10)[1]
    for worker in alive:
        worker.kill()
    assert len(workers) == 2
    assert alive == []
    assert errors.read_text().count("Traceback") == (
        signum == signal.SIGINT
    )  # that of the first process


def test_leaving_early_leaves_out_the_rest(tmp_path):
    found = walk(Folder(tmp_path), slow, "looking", 2)  # 25 seconds of it
    assert next(found) == 0
    begin = time.monotonic()
    found.close()
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("rank", "size"), [(0, 100), (1, 100), (0, 10)])
def test_the_first_rank_shows_a_bar_for_many_samples(monkeypatch, capfd, rank, size, workers):
    monkeypatch.setattr(rank_zero_only, "rank", rank)
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.setenv("TERM", "xterm")
    list(walk(Numbers(size), square_and_process, "counting", workers))
    out, err = capfd.readouterr()
    assert out == ""
    assert ("counting" in err) == (rank == 0 and size == 100)


def test_a_log_file_holds_nothing_of_the_bar(monkeypatch, capfd):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    list(walk(Numbers(100), square_and_process, "counting", 0))
    assert capfd.readouterr() == ("", "")


def test_its_bar_may_stand_beside_another(monkeypatch):
    """As that of training; on one console rich refuses that before 14.1."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    from rich.progress import Progress

    with Progress():
        assert len(list(walk(Numbers(100), square_and_process, "counting", 0))) == 100
