"""Lines of progress where standard output is no terminal."""

import re
from pathlib import Path

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from torch.utils.data import DataLoader

from lit_seg.callbacks.progress import ProgressLines
from lit_seg.cli.main import main
from tests.conftest import TINY, layers

STEP_SECONDS, VALIDATION_SECONDS = 10.0, 40.0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Model(LightningModule):
    """A step and a batch of a validation take the same time on the clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        self.clock.now += STEP_SECONDS
        loss = self.layer(batch).sum() * 0 + self.global_step
        self.log("train/loss", loss)
        return loss

    def validation_step(self, batch: torch.Tensor) -> None:
        self.clock.now += VALIDATION_SECONDS
        self.log_dict({"val/miou": 0.25, "val/macc": 0.5})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)


def lines(capsys: pytest.CaptureFixture[str], **options: object) -> list[str]:
    clock = Clock()
    trainer = Trainer(
        accelerator="cpu",
        callbacks=[ProgressLines(clock=clock)],
        **{"logger": False, "enable_checkpointing": False, "enable_progress_bar": False},
        **{"enable_model_summary": False, **options},
    )
    trainer.fit(Model(clock), DataLoader(torch.ones(8, 1)), DataLoader(torch.ones(2, 1)))
    return [
        line for line in capsys.readouterr().out.splitlines() if re.match("step|valid|done", line)
    ]


def test_a_line_after_the_first_step_and_then_every_thirty_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert lines(capsys, max_epochs=2, num_sanity_val_steps=1) == [
        "step 1 of 16, loss 0",
        "step 4 of 16, loss 3, 0:02:00 left",
        "step 7 of 16, loss 6, 0:01:30 left",
        "validation: batch 1 of 2",
        "validation: batch 2 of 2",
        # 80 seconds for the validation of 8 steps are part of the pace
        "step 11 of 16, loss 10, 0:01:30 left, miou 0.250, macc 0.500",
        "step 14 of 16, loss 13, 0:00:32 left, miou 0.250, macc 0.500",
        "validation: batch 1 of 2",
        "validation: batch 2 of 2",
        "done: step 16 of 16, loss 15, miou 0.250, macc 0.500",
    ]


def test_accumulated_gradients_count_as_one_step(capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines(capsys, max_epochs=1, accumulate_grad_batches=4, num_sanity_val_steps=0)
    assert shown[0] == "step 1 of 2, loss 0"


def test_a_run_without_an_end_has_no_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines(capsys, max_epochs=-1, max_time="00:00:00:01", limit_val_batches=0)
    assert shown[0] == "step 1, loss 0"
    assert "left" not in shown[1]
    assert shown[-1].startswith("done: step ")


def test_the_command_line_prints_them_without_a_terminal(
    few_streets: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bar = TINY.index("--trainer.enable_progress_bar")
    options = [*TINY[:bar], *TINY[bar + 2 :], "--trainer.max_steps", "1"]
    run = ["--run_dir", str(tmp_path / "run"), "--trainer.limit_val_batches", "1"]
    assert main(["fit", *layers(), *options, *run]) == 0
    shown = capsys.readouterr().out
    assert "step 1 of 1, loss" in shown
    assert re.search(r"^done: step 1 of 1, loss .*, miou 0\.\d+, macc 0\.\d+$", shown, re.MULTILINE)
