"""Progress for a file: plain lines, where standard output is no terminal."""

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer


class ProgressLines(Callback):
    """Prints a line after the first step, and then at most one every ``seconds``.

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

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Print the step, and at the first one without a wait."""
        if trainer.global_step == 0:
            return  # gradients are accumulated for the first step
        if self._first is None:
            self._first = trainer.global_step, self._clock()
            self._print(trainer, self._training_line(trainer))
        elif self._is_due():
            self._print(trainer, self._training_line(trainer))

    def on_validation_batch_end(self, trainer: Trainer, *args: Any) -> None:
        """Print the batch of a long validation."""
        self._evaluation(trainer, "validation", trainer.num_val_batches, *args)

    def on_test_batch_end(self, trainer: Trainer, *args: Any) -> None:
        """Print the batch of a long test."""
        self._evaluation(trainer, "test", trainer.num_test_batches, *args)

    def on_predict_batch_end(self, trainer: Trainer, *args: Any) -> None:
        """Print the batch of a long prediction."""
        self._evaluation(trainer, "prediction", trainer.num_predict_batches, *args)

    def _evaluation(
        self,
        trainer: Trainer,
        what: str,
        batches: list[int | float],
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        if not trainer.sanity_checking and self._is_due():
            self._print(trainer, f"{what}: batch {batch_idx + 1} of {batches[dataloader_idx]}")

    def _training_line(self, trainer: Trainer) -> str:
        step, total = trainer.global_step, trainer.estimated_stepping_batches
        parts = [f"step {step} of {total}" if total != float("inf") else f"step {step}"]
        values = trainer.callback_metrics
        if "train/loss" in values:
            parts.append(f"loss {float(values['train/loss']):.4g}")
        assert self._first is not None
        done, elapsed = step - self._first[0], self._clock() - self._first[1]
        if done and total != float("inf"):
            left = timedelta(seconds=round((total - step) * elapsed / done))
            parts.append(f"{left} left")
        scores = [f"{k} {float(values[f'val/{k}']):.3f}" for k in _SCORES if f"val/{k}" in values]
        return ", ".join([*parts, *scores])

    def _is_due(self) -> bool:
        return self._clock() >= self._printed + self._seconds

    def _print(self, trainer: Trainer, line: str) -> None:
        self._printed = self._clock()
        if trainer.is_global_zero:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


_SCORES = ("miou", "macc")
