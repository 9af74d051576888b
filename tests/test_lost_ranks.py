"""A rank that dies or hangs ends the job in time, with a message, and the run goes on."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from lightning_fabric.plugins.environments import LightningEnvironment
from pytorch_lightning import Trainer

from lit_seg.cli.main import main
from lit_seg.data.datasets import streets
from lit_seg.distributed import rank_timeout as ranks
from lit_seg.distributed.rank_timeout import RankLauncher, lost_rank, watch_ranks
from tests import few_streets_cli
from tests.conftest import layers
from tests.test_ranks import LIGHTNING, TORCHRUN, alone, arguments, command

__all__ = ["alone"]  # the fixture: what the run gives that nothing disturbs
TIMEOUT = 10  # --rank_timeout
MARGIN = 15  # seconds; about one is needed on an idle machine
GRACE = 30  # what torchrun, and our launcher, leave a rank that does not end
FAILED_STEP = 2
slow = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a run goes that must leave no process behind."""
    yield tmp_path
    for pid in processes(tmp_path):
        os.kill(pid, signal.SIGKILL)


def processes(folder: Path) -> list[int]:
    """Those that have the folder in their arguments; a stopped one, too."""
    listing = subprocess.run(["ps", "-ewwo", "pid,stat,args"], capture_output=True, text=True)
    lines = [line.split(maxsplit=2) for line in listing.stdout.splitlines()[1:]]
    return [int(pid) for pid, stat, args in lines if stat[0] != "Z" and str(folder) in args]


@pytest.mark.parametrize(
    ("launcher", "rank", "how", "seconds"),
    [
        (LIGHTNING, 1, "KILL", 0),
        pytest.param(TORCHRUN, 0, "KILL", 0, marks=slow),
        pytest.param(LIGHTNING, 0, "KILL", 0, marks=slow),
        pytest.param(TORCHRUN, 1, "KILL", 0, marks=slow),
        pytest.param(LIGHTNING, 1, "STOP", TIMEOUT, marks=slow),
        pytest.param(LIGHTNING, 0, "HANG", TIMEOUT + GRACE, marks=slow),
        pytest.param(TORCHRUN, 0, "STOP", TIMEOUT + GRACE, marks=slow),
        pytest.param(TORCHRUN, 1, "STOP", TIMEOUT + GRACE, marks=slow),
    ],
)
def test_a_lost_rank_ends_the_job_and_the_run_goes_on(
    launcher: str,
    rank: int,
    how: str,
    seconds: int,
    alone: dict[str, Path],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = subprocess.Popen(
        [
            *(*command(2, launcher), *arguments(folder, "recall", ranks=2)),
            *("--rank_timeout", str(TIMEOUT), "--last_checkpoint.every_n_train_steps", "1"),
        ],
        env={
            **os.environ,
            "WANDB_MODE": "disabled",
            "FAIL": f"{rank}:{FAILED_STEP}:{how}",
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    _, errors = process.communicate(timeout=300)
    while processes(folder) and time.time() < (folder / "run/failed").stat().st_mtime + 120:
        time.sleep(0.1)
    took = time.time() - (folder / "run/failed").stat().st_mtime
    assert took < seconds + MARGIN
    assert process.returncode not in (0, None)
    assert f"error: rank {1 - rank} of 2 lost another rank" in errors
    assert "make train RESUME" in errors
    assert "Traceback" not in errors.split("torch/distributed/elastic")[0]  # torchrun has its own
    checkpoint = torch.load(folder / "run/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == FAILED_STEP

    # one process goes on, with the batch of two, and ends where one that nothing disturbed ends
    monkeypatch.setattr(streets, "_SPLITS", few_streets_cli.SPLITS)
    one = ["--trainer.devices", "1", "--data.init_args.batch_size", "4"]
    assert main(["fit", "--resume", str(folder / "run"), *one]) == 0
    classes = (folder / "run/classes.csv").read_bytes()
    assert classes == (alone["recall"] / "run/classes.csv").read_bytes()


def test_a_rank_in_a_long_validation_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """It exchanges nothing there, so no broken connection could tell it."""

    def told(signum: int, frame: object) -> None:
        raise InterruptedError

    other = subprocess.Popen(["sleep", "1000"])
    launcher = RankLauncher(LightningEnvironment(), num_processes=2, num_nodes=1)
    launcher.procs = [other]
    before = signal.signal(signal.SIGTERM, told)
    try:
        ranks._watch(launcher.procs, launcher._dead, timeout=0)
        assert not ranks.rank_was_lost()
        other.kill()
        with pytest.raises(InterruptedError):
            time.sleep(20)
        assert ranks.rank_was_lost()
    finally:
        assert ranks.leave(code=2) == 2
        signal.signal(signal.SIGTERM, before)
    assert f"rank 1 of 2 (process {other.pid}) ended: SIGKILL" in capsys.readouterr().err


def test_a_rank_that_was_asked_to_stop_is_not_lost() -> None:
    launcher = RankLauncher(LightningEnvironment(), num_processes=2, num_nodes=1)
    for code, lost in [(0, False), (128 + signal.SIGTERM, False), (1, True)]:
        launcher.procs = [subprocess.Popen(["sh", "-c", f"exit {code}"])]
        launcher.procs[0].wait()
        assert (launcher._dead() is not None) == lost


def test_a_rank_sees_whether_the_one_that_started_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    for parent, lost in [(os.getppid(), False), (os.getpid(), True)]:
        monkeypatch.setenv(ranks._PARENT, str(parent))
        assert (ranks._dead_parent() is not None) == lost


@pytest.mark.parametrize("code", [0, 2])
def test_leaving_waits_for_what_was_started_and_ends_it(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranks, "_STRAGGLER_SECONDS", 1.0)
    quick, stuck = subprocess.Popen(["sleep", "0.1"]), subprocess.Popen(["sleep", "1000"])
    stuck.send_signal(signal.SIGSTOP)
    ranks._watch([quick, stuck], lambda: None, timeout=1.0)
    assert ranks.leave(code) == (code or 1)  # one did not end by itself
    assert (quick.returncode, stuck.returncode) == (0, -signal.SIGKILL)
    assert ranks.leave(code) == code  # nothing is left to wait for


@pytest.mark.parametrize(
    "text",
    [
        "[gloo/gloo/transport/tcp/pair.cc:538] Connection closed by peer [127.0.0.1]:4056",
        "[gloo/gloo/transport/tcp/pair.cc:538] Read error [::1]:4056: Connection reset by peer",
        "[unbound_buffer.cc:78] Timed out waiting 10000ms for recv operation to complete",
        "Application timeout caused pair closure",
    ],
)
def test_what_torch_says_of_a_lost_rank_is_known(text: str) -> None:
    message = lost_rank(RuntimeError(text))
    assert message is not None
    assert text.rsplit("cc:", 1)[-1].split("] ", 1)[-1] in message  # nothing is hidden


def test_other_errors_are_not_taken_for_a_lost_rank() -> None:
    for error in (RuntimeError("out of memory"), RuntimeError(""), ValueError("Timed out waiting")):
        assert lost_rank(error) is None
    assert lost_rank(torch.distributed.DistBackendError("NCCL error")) is not None


@pytest.mark.parametrize("strategy", ["auto", "ddp", "ddp_find_unused_parameters_true"])
def test_the_time_limit_reaches_the_strategy(strategy: str, tmp_path: Path) -> None:
    trainer = Trainer(
        accelerator="cpu", devices=2, strategy=strategy, logger=False, default_root_dir=tmp_path
    )
    watch_ranks(trainer, 400)
    assert trainer.strategy._timeout.total_seconds() == 400
    assert isinstance(trainer.strategy.launcher, RankLauncher)
    watch_ranks(trainer, 10)  # less holds from when all ranks are there: imports take their time
    assert trainer.strategy._timeout.total_seconds() == 300


def test_one_process_needs_no_limit(tmp_path: Path) -> None:
    trainer = Trainer(accelerator="cpu", devices=1, logger=False, default_root_dir=tmp_path)
    watch_ranks(trainer, 10)
    assert trainer.strategy.launcher is None


def test_a_time_limit_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *layers(), "--rank_timeout", "0"]) == 2
    assert "rank_timeout" in capsys.readouterr().err
