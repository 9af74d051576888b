"""Lines of progress where standard output is no terminal."""

import io
import logging
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from torch.utils.data import DataLoader

from lit_seg.callbacks.progress import ProgressLines, ProgressOnTerminal
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
        "step 4 of 16, loss 3, at least 0:02:00 left",
        "step 7 of 16, loss 6, at least 0:01:30 left",
        "validation: batch 1 of 2",
        "validation: batch 2 of 2",
        # 80 seconds of them for the validation that is to come
        "step 11 of 16, loss 10, 0:02:10 left, miou 0.250, macc 0.500",
        "step 14 of 16, loss 13, 0:01:40 left, miou 0.250, macc 0.500",
        "validation: batch 1 of 2",
        "validation: batch 2 of 2",
        "done: step 16 of 16, loss 15, miou 0.250, macc 0.500",
    ]


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"limit_val_batches": 0}, ["0:02:00", "0:01:30", "0:01:00", "0:00:30"]),
        ({"val_check_interval": 4}, ["at least 0:02:00", "0:05:30", "0:03:30", "0:01:30"]),
        # of the whole run, whose last weights are validated too
        (
            {"val_check_interval": 6, "check_val_every_n_epoch": None},
            ["at least 0:02:00", "0:03:50", "0:03:20", "0:01:30"],
        ),
        (
            {"check_val_every_n_epoch": 2},
            [f"at least 0:0{time}" for time in ("2:00", "1:30", "1:00", "0:30")],
        ),
    ],
)
def test_the_time_left_is_that_of_the_validations_too(
    options: dict[str, Any], left: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    shown = lines(capsys, max_epochs=2, num_sanity_val_steps=0, **options)
    assert [words[1] for line in shown if (words := re.search(", ([^,]*) left", line))] == left


def test_accumulated_gradients_count_as_one_step(capsys: pytest.CaptureFixture[str]) -> None:
    shown = lines(capsys, max_epochs=1, accumulate_grad_batches=4, num_sanity_val_steps=0)
    assert shown[0] == "step 1 of 2, loss 0"


def test_a_run_that_ends_by_the_clock_has_the_time_left_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = lines(capsys, max_epochs=-1, max_time="00:00:00:01", limit_val_batches=0)
    assert shown[0].startswith("step 1, loss 0, 0:00:0")
    assert shown[1].endswith(" left")
    assert re.fullmatch(r"done: step \d+, loss \d+(e\+\d+)?", shown[-1])


class Screen(io.StringIO):
    """A terminal of 80 columns: what is on it at the end, also what wraps."""

    def __init__(self) -> None:
        super().__init__()
        self.lines, self.row, self.column = [""], 0, 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for code, letter, sign in re.findall(r"\x1b\[([\d;?]*)([A-Za-z])|([^\x1b])", text):
            if letter == "A":
                self.row -= int(code or 1)
            elif letter == "K":
                self.lines[self.row] = ""
            elif sign == "\r":
                self.column = 0
            elif sign == "\n" or (sign and self.column == 80):
                self.row, self.column = self.row + 1, 0
                self.lines += [""] * (self.row + 1 - len(self.lines))
            if sign and sign not in "\r\n":
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + sign + line[self.column + 1 :]
                self.column += 1
        return len(text)


class Talks(Callback):
    """Speaks in all ways while the bar is there, and reports when the training has ended."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        sys.stdout.write(f"printed {trainer.current_epoch}\n")
        sys.stderr.write(f"warned {trainer.current_epoch}\n")
        logging.getLogger("pytorch_lightning").warning("logged %d", trainer.current_epoch)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        Console().out("the table", "of classes", "the end", sep="\n")


def test_the_bar_leaves_all_that_others_print(monkeypatch: pytest.MonkeyPatch) -> None:
    screen, clock = Screen(), Clock()
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, screen)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    handler = logging.StreamHandler(screen)
    logging.getLogger("pytorch_lightning").addHandler(handler)
    bar = ProgressOnTerminal(clock=clock)
    trainer = Trainer(
        accelerator="cpu", callbacks=[bar, Talks()], max_epochs=2, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(Model(clock), DataLoader(torch.ones(8, 1)), DataLoader(torch.ones(2, 1)))
    logging.getLogger("pytorch_lightning").removeHandler(handler)
    shown = [line.rstrip() for line in screen.lines]
    for i in (0, 1):
        assert f"printed {i}" in shown
        assert f"logged {i}" in shown
        assert any(f"warned {i}" in line for line in shown)
    end = [
        "done: step 16 of 16, loss 15, miou 0.250, macc 0.500",
        "the table",
        "of classes",
        "the end",
    ]
    assert shown[-5:] == [*end, ""]
    assert not [line for line in shown if "━" in line]  # nothing of the bar is left


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


def test_a_length_beyond_all_time_has_a_time_left() -> None:
    """One typo in `max_epochs` ended the run after its first line."""
    progress = ProgressLines()
    trainer: Any = SimpleNamespace(
        callbacks=[],
        global_step=3,
        estimated_stepping_batches=10**90,
        val_check_batch=float("inf"),
        enable_validation=False,
        max_steps=10**90,
    )
    progress._validations = 0.0
    assert progress._time_left(trainer, 1, 0.0) == "years left"
