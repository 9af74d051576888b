"""Progress for a file: plain lines, where standard output is no terminal."""

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer


class ProgressLines(Callback):
    """Prints a line after the first step, then at most one every ``seconds``, and one at the end.

    It says step, loss, the time that is left of the whole run (with its validations, at the pace
    since the first step) and the last scores. Within a validation it says the batch.

    Args:
        seconds: the shortest time between two lines.
        clock: tells the time in seconds.
    """

    def __init__(self, seconds: float = 30.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._printed = clock() - seconds  # when the last line was
        self._first: tuple[int, float] | None = None  # the first step that ended, and when

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Print the step, and at the first one without a wait."""
        if trainer.global_step == 0:
            return  # gradients are accumulated for the first step
        first = self._first is None
        self._first = self._first or (trainer.global_step, self._clock())
        if first or self._is_due():
            self._print(trainer, self._training_line(trainer, *self._first))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the number of steps done and the last scores."""
        if self._first is not None:
            self._print(trainer, f"done: {self._training_line(trainer, *self._first)}")

    def on_validation_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self._evaluation(trainer, "validation", trainer.num_val_batches, *args)

    def on_test_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self._evaluation(trainer, "test", trainer.num_test_batches, *args)

    def on_predict_batch_end(self, trainer: Trainer, *args: Any) -> None:
        self._evaluation(trainer, "prediction", trainer.num_predict_batches, *args)

    def _evaluation(
        self, trainer: Trainer, what: str, batches: list[int | float], *args: Any
    ) -> None:
        """Print the batch; ``args`` are those of Lightning: module, outputs, batch, its index."""
        if not trainer.sanity_checking and self._is_due():
            self._print(trainer, f"{what}: batch {args[3] + 1} of {batches[0]}")

    def _training_line(self, trainer: Trainer, first: int, since: float) -> str:
        step, total = trainer.global_step, trainer.estimated_stepping_batches
        parts = [f"step {step} of {total}" if total != float("inf") else f"step {step}"]
        values = trainer.callback_metrics
        if "train/loss" in values:
            parts.append(f"loss {float(values['train/loss']):.4g}")
        done, elapsed = step - first, self._clock() - since
        if done and step < total < float("inf"):
            left = timedelta(seconds=round((total - step) * elapsed / done))
            parts.append(f"{left} left")
        shown = [key for key in ("miou", "macc") if f"val/{key}" in values]
        return ", ".join([*parts, *(f"{key} {float(values[f'val/{key}']):.3f}" for key in shown)])

    def _is_due(self) -> bool:
        return self._clock() >= self._printed + self._seconds

    def _print(self, trainer: Trainer, line: str) -> None:
        self._printed = self._clock()
        if trainer.is_global_zero:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
