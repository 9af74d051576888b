"""One process at a time trains a run; another one is told which."""

import os
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from lit_seg.cli.main import main
from lit_seg.distributed.rank_timeout import is_first_rank
from lit_seg.runs.layout import LOCK, hold_run
from tests.test_cli import fit
from tests.test_safe_files import hold

__all__ = ["hold"]

pytestmark = pytest.mark.usefixtures("few_streets")


def test_a_run_that_is_being_trained_is_left_alone(
    tmp_path: Path,
    uninterrupted: Callable[..., Path],
    hold: Callable[[Path], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Until its process ends, however it ends."""
    folder = tmp_path / "seed0"
    shutil.copytree(uninterrupted("--trainer.max_epochs", "1"), folder)
    holder = hold(folder / LOCK)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main(["fit", "--resume", str(folder), "--trainer.max_epochs", "2"]) == 2
    (said,) = capsys.readouterr().err.splitlines()[-1:]
    for part in (str(folder), f"process {holder} on {socket.gethostname()} since ", "--run_dir"):
        assert part in said
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    os.kill(holder, signal.SIGKILL)
    os.waitpid(holder, 0)
    assert main(["fit", "--resume", str(folder)]) == 0
    assert not (folder / LOCK).exists()


def test_a_new_run_does_not_share_a_folder(
    tmp_path: Path, hold: Callable[[Path], int], capsys: pytest.CaptureFixture[str]
) -> None:
    """The other one has written nothing yet."""
    holder = hold(tmp_path / "seed0" / LOCK)
    assert fit(tmp_path / "seed0") == 2
    assert f"process {holder} on" in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["seed0", LOCK]


def test_a_run_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    assert fit(tmp_path / "a" / "seed0", "--data.init_args.batch_size", "0") == 2
    assert list(tmp_path.iterdir()) == []


def test_where_there_are_no_locks_a_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*args: object) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.lockf", refused)
    with hold_run(tmp_path / "seed0"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"TORCHELASTIC_RUN_ID": "x", "RANK": "0"}, True),
        ({"TORCHELASTIC_RUN_ID": "x", "RANK": "1"}, False),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_JOB_NAME": "x"}, True),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_JOB_NAME": "x"}, False),
    ],
)
def test_the_first_rank_takes_the_lock(
    environment: dict[str, str], first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_first_rank() == first
