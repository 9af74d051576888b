"""Shows the progress of a run: a bar on a terminal, else plain lines."""

import logging
import math
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Timer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from lit_seg.runs.records import stat_of

_YEARS = 1e9
"""Seconds from which the time left is not counted; much longer ones do not fit a `timedelta`."""


class ProgressLines(Callback):
    """Prints a line after the first step, then at most one every ``seconds``, and one at the end.

    It says step, loss, the time that is left of the whole run and the last scores. The time is that
    of the steps, at the pace since the first one, and of the validations, each as long as the last;
    before the first validation it is "at least" that of the steps. Within a validation it says the
    batch.

    Args:
        seconds: the shortest time between two lines.
        clock: tells the time in seconds.
    """

    def __init__(self, seconds: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._printed = clock() - seconds  # when the last line was
        self._first: tuple[int, float] | None = None  # the first step that ended, and when
        self._validation_began = 0.0
        self._validation: float | None = None  # the seconds of the last one
        self._validations = 0.0  # the seconds of all since the first step

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Print the step; the first step is printed at once."""
        if trainer.global_step == 0:
            return  # gradients are accumulated for the first step
        first = self._first is None
        self._first = self._first or (trainer.global_step, self._clock())
        if first or self._is_due(trainer):
            line = _training_line(trainer, self._time_left(trainer, *self._first))
            self._show(line, trainer.global_step, trainer.estimated_stepping_batches)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the number of steps done and the last scores."""
        if self._first is not None and trainer.is_global_zero:
            _write(f"done: {_training_line(trainer, '')}")

    def on_validation_start(self, *_: Any) -> None:
        self._validation_began = self._clock()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep how long it took."""
        if self._first is not None:
            self._validation = self._clock() - self._validation_began
            self._validations += self._validation

    def on_validation_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self._evaluation(trainer, "validation", trainer.num_val_batches, *args)

    def on_test_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self._evaluation(trainer, "test", trainer.num_test_batches, *args)

    def _evaluation(
        self, trainer: Trainer, what: str, batches: list[int | float], *args: Any
    ) -> None:
        """Print the batch; ``args`` are those of Lightning: module, outputs, batch, its index."""
        if not trainer.sanity_checking and self._is_due(trainer):
            done, total = args[3] + 1, batches[0]
            self._show(f"{what}: batch {done} of {total}", done, total)

    def _time_left(self, trainer: Trainer, first: int, since: float) -> str:
        """Estimate the time until the last step or the time limit; empty if it is not known."""
        timers = (c for c in trainer.callbacks if isinstance(c, Timer))  # type: ignore[attr-defined]
        left = [seconds for each in timers if (seconds := each.time_remaining()) is not None]
        step, total = trainer.global_step, trainer.estimated_stepping_batches
        least = ""
        if first < step and total < float("inf"):
            of_step = (self._clock() - since - self._validations) / (step - first)
            validations = _validations_left(trainer, step, total)
            steps = (total - step) * of_step + validations * (self._validation or 0)
            least = "at least " if validations and self._validation is None else ""
            least = least if steps < min(left, default=steps + 1) else ""
            left.append(steps)
        if not left or step >= total:
            return ""
        seconds = max(0, min(left))
        if seconds >= _YEARS:
            return "years left"
        return f"{least}{timedelta(seconds=round(seconds))} left"

    def _is_due(self, trainer: Trainer) -> bool:
        return trainer.is_global_zero and self._clock() >= self._printed + self._seconds

    def _show(self, line: str, done: int, total: float) -> None:
        """Show a line, and ``done`` of ``total`` steps or batches."""
        self._printed = self._clock()
        _write(line)


class ProgressOnTerminal(ProgressLines):
    """Shows this in one line at the bottom of a terminal, with a bar over the whole run.

    What others print meanwhile comes above it. It is gone before the end of the run is reported.
    """

    def __init__(self, seconds: float = 0.2, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(seconds, clock)
        self._bar: Progress | None = None

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stop()
        super().on_train_end(trainer, pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_validation_end(trainer, pl_module)
        if trainer.state.fn != "fit":
            self._stop()

    def on_test_end(self, *_: Any) -> None:
        self._stop()

    def on_exception(self, *_: Any) -> None:
        self._stop()

    def teardown(self, *_: Any, **__: Any) -> None:
        self._stop()

    def _show(self, line: str, done: int, total: float) -> None:
        self._printed = self._clock()
        if self._bar is None:
            self._bar = _bar()
            self._bar.start()
            _log_to_standard_error()
        known = None if total == float("inf") else total
        self._bar.update(self._bar.task_ids[0], description=line, completed=done, total=known)
        self._bar.refresh()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            _log_to_standard_error()


def _bar() -> Progress:
    """Make a bar of a single task. It has no thread, which a forked process would lack."""
    text = Column(no_wrap=True, overflow="ellipsis")  # a second line would be left behind
    columns = (
        TextColumn("{task.description}", markup=False, table_column=text),
        BarColumn(None, table_column=Column(ratio=1)),
    )
    bar = Progress(
        *columns,
        console=Console(),
        expand=True,
        transient=True,
        auto_refresh=False,
        redirect_stderr=sys.stderr.isatty(),
    )
    bar.add_task("")
    return bar


def _log_to_standard_error() -> None:
    """Let Lightning's messages go where standard error goes now, which may be above the bar."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        for handler in logging.getLogger(name).handlers:
            if type(handler) is logging.StreamHandler:
                handler.setStream(sys.stderr)


def _validations_left(trainer: Trainer, step: int, total: float) -> int:
    """How many come until the last step, the one after ``step`` included."""
    if not trainer.enable_validation:
        return 0
    batches, epochs = trainer.num_training_batches, trainer.check_val_every_n_epoch
    # Lightning counts batches from validation to validation, or one at the end of so many epochs
    every = min(
        getattr(trainer, "val_check_batch", None) or batches, batches if epochs else math.inf
    )
    steps = math.ceil(every / trainer.accumulate_grad_batches)
    steps *= (epochs or 1) if every == batches else 1
    return math.ceil(total / steps) - (step - 1) // steps


def _training_line(trainer: Trainer, left: str) -> str:
    step, total = trainer.global_step, trainer.estimated_stepping_batches
    parts = [f"step {step} of {total}" if total != float("inf") else f"step {step}"]
    values = trainer.callback_metrics
    if "train/loss" in values:
        parts.append(f"loss {float(values['train/loss']):.4g}")
    keys = {name: stat_of("val", name) for name in ("miou", "macc")}
    scores = (f"{name} {float(values[key]):.3f}" for name, key in keys.items() if key in values)
    return ", ".join([*parts, *([left] if left else []), *scores])


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
