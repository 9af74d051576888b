"""Runs in processes of their own: two ranks, and a signal from outside."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from lit_seg.cli import main
from tests.conftest import TINY, layers
from tests.test_cli import rows_of

SCRIPT = Path(__file__).parent / "few_streets_cli.py"
TORCHRUN = ["--standalone", "--nproc_per_node", "2"]
FIT = [sys.executable, str(SCRIPT), "fit", *layers(), *TINY]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1", **more}


@pytest.mark.parametrize("launcher", [[], ["-m", "torch.distributed.run", *TORCHRUN]])
def test_two_ranks_train_and_hold_the_same_recall(launcher: list[str], tmp_path: Path) -> None:
    ranks = ["--trainer.accelerator", "cpu", "--trainer.devices", "2", "--trainer.strategy", "ddp"]
    subprocess.run(
        [
            *(sys.executable, *launcher, *FIT[1:], *ranks),
            *("--run_dir", str(tmp_path / "run"), "--trainer.max_epochs", "1"),
        ],
        env=environment(RECALL_FOLDER=str(tmp_path)),
        timeout=180,
        check=True,
    )
    one, two = (torch.load(tmp_path / f"rank{rank}.pt") for rank in (0, 1))
    assert one["recall"].isfinite().any()
    assert torch.equal(one["recall"].nan_to_num(-1), two["recall"].nan_to_num(-1))
    # the last checkpoint, written by rank 0, holds it too
    state = torch.load(tmp_path / "run/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert torch.equal(state["loss.state.recall"].nan_to_num(-1), one["recall"].nan_to_num(-1))
    # 7 validation images on 2 ranks, each scored once: no more labelled pixels than there are
    assert 6 * 64 * 96 < one["confusion"].sum() == two["confusion"].sum() <= 7 * 64 * 96
    # 16 images, 2 ranks of batches of 4: two steps; rows are written by one rank only
    steps = [row["step"] for row in rows_of(tmp_path / "run/metrics.csv") if row["train/loss"]]
    assert steps == ["0", "1"]
    assert not (tmp_path / "run-2").exists()


@pytest.mark.parametrize("ranks", [1, 2])
def test_sigterm_writes_a_checkpoint_to_go_on_from(
    ranks: int, tmp_path: Path, few_streets: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run = tmp_path / "run"
    devices = ["--trainer.accelerator", "cpu", "--trainer.devices", str(ranks)]
    process = subprocess.Popen(
        [*FIT, *devices, "--run_dir", str(run), "--trainer.max_epochs", "1000"],
        env=environment(),
    )
    try:
        deadline = time.monotonic() + 120
        while not (run / "classes.csv").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
    finally:
        process.kill()
    checkpoint = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    done = checkpoint["global_step"]
    assert done > 0
    assert checkpoint["state_dict"]["loss.state.recall"].isfinite().any()
    one = ["--trainer.devices", "1", "--trainer.max_steps", str(done + 2)]
    assert main(["fit", "--resume", str(run), *one]) == 0
    steps = [int(row["step"]) for row in rows_of(run / "metrics.csv") if row["train/loss"]]
    assert steps == list(range(done + 2))
