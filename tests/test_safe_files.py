"""Files are replaced whole and never written through a link, and one process holds a lock."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from lit_seg.errors import WriteError
from lit_seg.files.atomic_io import new_file, replace_file, replace_text
from lit_seg.files.lock import locked
from lit_seg.loggers.csv_log import CSVLog

HOLD = """
import os, sys, time
from pathlib import Path
from lit_seg.files.lock import locked
with locked(Path(sys.argv[1]), wait=False):
    if os.fork() == 0:  # as a worker that outlives its parent
        time.sleep(60)
    print(os.getpid(), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def hold() -> Iterator[Callable[[Path], int]]:
    """``hold(path)`` locks a file in another process, which has a child; returns its id."""
    begun: list[subprocess.Popen[str]] = []

    def start(path: Path) -> int:
        program = [sys.executable, "-c", HOLD, str(path)]
        # in a session of its own, so that its child can be killed with it
        process = subprocess.Popen(
            program, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        begun.append(process)
        assert process.stdout is not None
        return int(process.stdout.readline())

    yield start
    for process in begun:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text("precious")
    return path


@pytest.mark.parametrize("shared", [False, True])
def test_a_draft_follows_no_link(
    shared: bool, tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever lies at the names that a draft may have."""
    monkeypatch.setattr("uuid.UUID.hex", "0")
    for name in ("last.tmp", ".last.ckpt.tmp", ".last.ckpt.0.tmp"):
        (tmp_path / name).symlink_to(victim)
    replace_file(tmp_path / "last.ckpt", lambda file: file.write(b"new"), shared)
    assert (tmp_path / "last.ckpt").read_bytes() == b"new"
    assert victim.read_text() == "precious"


def test_what_is_a_link_is_replaced(tmp_path: Path, victim: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).symlink_to(victim)
    replace_text(tmp_path / "a", "new")
    with new_file(tmp_path / "b") as file:
        file.write(b"new")
    assert [(tmp_path / name).read_text() for name in ("victim", "a", "b")] == [
        *("precious", "new", "new")
    ]


@pytest.mark.parametrize("name", ["metrics.csv", "classes.csv", "cost.csv"])
def test_rows_are_not_added_through_a_link(name: str, tmp_path: Path, victim: Path) -> None:
    (tmp_path / name).symlink_to(victim)
    # one that has no columns yet is written anew
    with nullcontext() if name == "metrics.csv" else pytest.raises(WriteError, match=name):
        CSVLog(tmp_path).log_metrics({"loss": 1.0, "class/iou/a": 1.0, "cost/step": 1.0}, 0)
    assert victim.read_text() == "precious"


def test_what_killed_processes_left_is_in_nobodys_way(tmp_path: Path) -> None:
    """It is removed with the next write, unless it may be another process's."""
    for name in ("a [1].csv", "other.csv"):
        (tmp_path / f".{name}.0.tmp").write_text("half")
    replace_file(tmp_path / "a [1].csv", lambda file: file.write(b"1"), shared=True)
    assert len(list(tmp_path.iterdir())) == 3
    replace_text(tmp_path / "a [1].csv", "2")
    assert {path.name for path in tmp_path.iterdir()} == {"a [1].csv", ".other.csv.0.tmp"}


def test_a_lock_names_its_holder_and_ends_with_it(
    tmp_path: Path, hold: Callable[[Path], int]
) -> None:
    path = tmp_path / "a" / "lock"
    holder = hold(path)
    said = pytest.raises(BlockingIOError, match=rf"process {holder} on \S+ since \d{{4}}-")
    with said, locked(path, wait=False):
        pass
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    with locked(path, wait=False):  # although the child of the holder is alive
        assert f"process {os.getpid()} on" in path.read_text()
    assert path.read_text() == ""


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_a_lock_that_is_no_plain_file_is_not_taken_for_held(
    kind: str, tmp_path: Path, victim: Path
) -> None:
    """What waits saves work only, and goes on; the other would not be alone."""
    path = tmp_path / "lock"
    make = {"link": lambda: path.symlink_to(victim), "folder": path.mkdir}
    make.get(kind, lambda: os.mkfifo(path))()
    with locked(path, wait=True):
        pass
    for place in (path, victim / "lock"):
        with pytest.raises(OSError, match=r"Errno|seekable"), locked(place, wait=False):
            pass
    assert victim.read_text() == "precious"


def test_a_lock_that_was_removed_meanwhile_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    path, lock = tmp_path / "lock", fcntl.lockf

    def removed_before(*args: int) -> None:
        monkeypatch.setattr(fcntl, "lockf", lock)
        path.unlink()
        lock(*args)

    monkeypatch.setattr(fcntl, "lockf", removed_before)
    with locked(path, wait=True):
        assert "process" in path.read_text()
