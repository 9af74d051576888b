"""A rank that dies or hangs ends the job in time, with a message, and the run goes on."""

import os
import re
import signal
import subprocess
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
import torch.distributed as dist
from pytorch_lightning import LightningDataModule, Trainer
from pytorch_lightning.trainer.connectors import data_connector
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from lit_seg.cli.main import main
from lit_seg.data.datasets.streets import streets
from lit_seg.distributed import meeting
from lit_seg.distributed.meeting import PunctualDDP
from lit_seg.distributed.rank_timeout import check_ranks, lost_rank, trainer_options
from lit_seg.errors import RunError
from tests import few_streets_cli
from tests.conftest import TINY, layers
from tests.distributed import HOST, run_command_line, server
from tests.test_ranks import alone, arguments, torchrun

__all__ = ["alone"]  # the fixture: what the run gives that nothing disturbs
TIMEOUT = 10  # --rank_timeout
MARGIN = 15  # seconds; about one is needed on an idle machine
GRACE = 30  # seconds that torchrun leaves a rank that does not end
FAILED_STEP = 2
SAVED = ("--rank_timeout", str(TIMEOUT), "--last_checkpoint.every_n_train_steps", "1")
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


def test_a_killed_rank_ends_the_job_and_the_run_goes_on(
    alone: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As below, without the seconds in which torchrun and its ranks import."""
    others = grandchildren()
    # of which rank torchrun tells depends on whether the other one has ended when it looks
    with pytest.raises(ChildFailedError, match=r"rank *: [01] \(local_rank: [01]\)"):
        run_command_line(
            [*arguments(tmp_path, "recall", ranks=2), *SAVED],
            *(2, tmp_path / "errors"),
            FAIL=f"1:{FAILED_STEP}:KILL",
        )
    assert time.time() - (tmp_path / "run/failed").stat().st_mtime < MARGIN
    assert grandchildren() <= others
    (said,) = (tmp_path / "errors").rglob("0/stderr.log")
    check_that_it_goes_on(tmp_path, 0, said.read_text(), alone, monkeypatch)


def grandchildren() -> set[psutil.Process]:
    """The processes that the server of ranks has started."""
    found = (child.children(recursive=True) for child in psutil.Process().children())
    return {process for each in found for process in each if process.status() != "zombie"}


def check_that_it_goes_on(
    folder: Path, rank: int, errors: str, alone: dict[str, Path], patch: pytest.MonkeyPatch
) -> None:
    """The rank that was left told what to do; one process goes on, with the batch of two, and ends
    where one that nothing disturbed ends."""
    # or the launcher told it first, on a busy machine
    assert re.search(f"error: rank {rank} of 2 lost another rank|stopped by SIGTERM", errors)
    assert "make train RESUME" in errors
    checkpoint = torch.load(folder / "run/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == FAILED_STEP
    patch.setattr(streets, "_SPLITS", few_streets_cli.SPLITS)
    one = ["--trainer.devices", "1", "--data.init_args.batch_size", "4"]
    assert main(["fit", "--resume", str(folder / "run"), *one]) == 0
    classes = (folder / "run/classes.csv").read_bytes()
    assert classes == (alone["recall"] / "run/classes.csv").read_bytes()


@slow
@pytest.mark.parametrize(
    ("rank", "how", "seconds"),
    [
        (1, "KILL", 0),
        (0, "KILL", 0),
        (0, "HANG", TIMEOUT + GRACE),
        (0, "STOP", TIMEOUT + GRACE),
        (1, "STOP", TIMEOUT + GRACE),
    ],
)
def test_a_lost_rank_ends_the_job_and_the_run_goes_on(
    rank: int,
    how: str,
    seconds: int,
    alone: dict[str, Path],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = subprocess.Popen(
        [*torchrun(2), *arguments(folder, "recall", ranks=2), *SAVED],
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
    assert re.search(rf"rank *: {rank} \(local_rank: {rank}\)", errors)  # torchrun
    assert "Traceback" not in errors.split("torch/distributed/elastic")[0]  # torchrun has its own
    check_that_it_goes_on(folder, 1 - rank, errors, alone, monkeypatch)


@slow
def test_ranks_stop_when_torchrun_is_killed(folder: Path) -> None:
    steps = ["--trainer.max_epochs", "1000", "--trainer.limit_val_batches", "0"]
    process = subprocess.run(
        [*torchrun(2), *arguments(folder, "recall", ranks=2), *steps],
        env={**os.environ, "FAIL": f"0:{FAILED_STEP}:ORPHAN"},
        stderr=subprocess.DEVNULL,
        timeout=300,
    )
    assert process.returncode == -signal.SIGKILL
    failed = (folder / "run/failed").stat().st_mtime
    while processes(folder):
        assert time.time() < failed + MARGIN
        time.sleep(0.1)
    checkpoint = torch.load(folder / "run/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] in (FAILED_STEP + 1, FAILED_STEP + 2)


def wait_for_a_dead_rank(port: int, errors: Path, limit: float) -> None:
    """As gloo does, in C++, where no signal is heard, and for five times the limit."""
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
    os.environ["WORLD_SIZE"] = "2"
    meeting._TORCH_FIRST = 0
    signal.signal(signal.SIGTERM, lambda *_: None)  # as `main` listens
    store = dist.TCPStore(HOST, port, is_master=False)
    with meeting.meets_within(timedelta(seconds=60)):
        pass  # those have met, and nobody watches any more
    with meeting.meets_within(timedelta(seconds=limit)):
        store.set("waits", "")
        store.wait(["address"], timedelta(seconds=2))


@pytest.mark.parametrize(
    ("limit", "code", "said"),
    [
        (0.2, 2, "error: rank 0 of 2 has not met the others within 0.2 s"),
        (60, 128 + signal.SIGTERM, "stopped by SIGTERM: rank 0 of 2 was waiting"),
    ],
)
def test_a_rank_does_not_wait_longer_for_one_that_died_before_they_met(
    limit: float, code: int, said: str, tmp_path: Path
) -> None:
    errors = tmp_path / "errors.txt"
    store = dist.TCPStore(HOST, 0, is_master=True, wait_for_workers=False)
    # forked from a server without threads, which has imported torch
    rank = server().Process(target=wait_for_a_dead_rank, args=(store.port, errors, limit))
    rank.start()
    store.wait(["waits"], timedelta(seconds=60))
    rank.terminate() if limit > 1 else None
    rank.join(60)
    assert rank.exitcode == code
    assert said in errors.read_text()


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


@pytest.fixture
def two_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment in which torchrun starts the first of two ranks."""
    ranks = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    for name, value in {**ranks, "GROUP_WORLD_SIZE": "1", "TORCHELASTIC_RUN_ID": "x"}.items():
        monkeypatch.setenv(name, value)


def options(**given: object) -> Namespace:
    asked = {"devices": "auto", "num_nodes": 1, "strategy": "auto", "accelerator": "cpu"}
    return Namespace(**{**asked, **given})


@pytest.mark.usefixtures("two_started")
@pytest.mark.parametrize("strategy", ["auto", "ddp", "ddp_find_unused_parameters_true"])
def test_the_time_limit_reaches_the_process_group(
    strategy: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = trainer_options(options(strategy=strategy), timeout=40)
    trainer = Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path, **found)
    assert (trainer.world_size, type(trainer.strategy)) == (2, PunctualDDP)
    check_ranks(trainer, "fit")
    joined: dict[str, object] = {}
    watched: list[timedelta] = []

    @contextmanager
    def watch(limit: timedelta) -> Iterator[None]:
        watched.append(limit)
        yield
        watched.remove(limit)

    def meet(*args: object, **given: object) -> SimpleNamespace:
        joined.update(given, watched=list(watched))
        return SimpleNamespace(monitored_barrier=lambda: joined.update(waiting=list(watched)))

    limit = timedelta(seconds=40)
    barrier = data_connector._InfiniteBarrier
    monkeypatch.setattr(data_connector, "_InfiniteBarrier", barrier)  # it is put back afterwards
    monkeypatch.setattr(meeting, "meets_within", watch)
    monkeypatch.setattr(dist, "init_process_group", meet)
    trainer.strategy.setup_environment()
    assert joined == {**joined, "timeout": limit, "watched": [limit]}
    # the group in which Lightning lets the ranks wait for the data, which may take long
    for name, value in {"is_initialized": lambda: True, "new_group": meet}.items():
        monkeypatch.setattr(dist, name, value)
    monkeypatch.setattr(dist, "destroy_process_group", lambda *args: None)
    trainer.datamodule = Prepared()  # type: ignore[attr-defined]
    joined.clear()
    trainer._data_connector.prepare_data()
    assert joined == {**joined, "watched": [limit], "waiting": []}


class Prepared(LightningDataModule):
    def prepare_data(self) -> None:
        pass


@pytest.mark.usefixtures("two_started")
def test_ranks_that_do_not_fit_the_options_are_refused(tmp_path: Path) -> None:
    found = trainer_options(options(devices=1), timeout=40)
    assert "devices" not in found  # the user's word counts
    trainer = Trainer(accelerator="cpu", devices=1, logger=False, default_root_dir=tmp_path)
    with pytest.raises(RunError, match="ask for 1 processes, and 2 were started"):
        check_ranks(trainer, "fit")


def test_one_process_needs_no_limit(tmp_path: Path) -> None:
    found = trainer_options(options(), timeout=40)
    assert found == {"devices": 1}
    trainer = Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path, **found)
    check_ranks(trainer, "fit")


def test_ranks_that_nobody_started_are_refused_with_the_command_that_starts_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")  # W&B stores the identifier of a run in its folder
    folder = ["--run_dir", str(tmp_path / "run")]
    assert main(["fit", *layers(), *TINY, *folder, "--trainer.devices", "2"]) == 2
    errors = capsys.readouterr().err
    for way_out in ("GPUS=2", "PROCESSES=2", "torchrun --standalone --nproc-per-node 2"):
        assert way_out in errors
    assert not (tmp_path / "run").exists()


def test_a_time_limit_of_nothing_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", *layers(), "--rank_timeout", "0"]) == 2
    assert "rank_timeout" in capsys.readouterr().err
