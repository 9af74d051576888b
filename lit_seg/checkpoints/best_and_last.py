"""The two checkpoints of a run: the best by validation, and the last, to go on from."""

import math
import traceback
from pathlib import Path
from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_info
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loops import fetchers
from pytorch_lightning.trainer.states import TrainerFn

from lit_seg.checkpoints.exact_resume import ExactResume
from lit_seg.checkpoints.lightning_private import save_on_this_rank
from lit_seg.errors import NonFiniteError, RunError, StopRequest, WriteError
from lit_seg.runs.layout import CHECKPOINTS


class BestCheckpoint(Checkpoint):
    """``best.ckpt``: the highest ``val/miou`` so far.

    Args:
        dirpath: the folder it is written to; set by the command line.
        monitor: the metric that chooses, larger is better.

    Raises:
        RunError: if a validation does not give the metric.
    """

    def __init__(self, dirpath: str | None = None, monitor: str = "val/miou") -> None:
        self.dirpath = dirpath
        self.monitor = monitor
        self.best_score: float | None = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it, if the score is higher than before."""
        if not _writes(trainer):
            return
        if self.monitor not in trainer.callback_metrics:
            keys = ", ".join(sorted(trainer.callback_metrics))
            raise RunError(f"`best_checkpoint.monitor`: there is no {self.monitor!r}; given {keys}")
        score = float(trainer.callback_metrics[self.monitor])
        before, resume = self.best_score, _exact_resume(trainer)
        resume.validation_due = False  # but for this
        if before is None or math.isnan(before) or score > before:
            self.best_score = score  # within the checkpoint, too
            resume.roll_back = False  # what was scored, also within an accumulated step
            try:
                trainer.save_checkpoint(_path(self.dirpath, trainer, "best"), False)
            except BaseException:
                self.best_score, resume.validation_due = before, True
                raise
            finally:
                resume.roll_back = True

    def state_dict(self) -> dict[str, Any]:
        """The best score so far."""
        return {"best_score": self.best_score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from it, wherever the run's folder lies now."""
        self.best_score = state_dict["best_score"]


class LastCheckpoint(Checkpoint):
    """``last.ckpt``: at the end of each epoch, and when a signal or an error ends the run.

    Args:
        dirpath: the folder it is written to; set by the command line.
        every_n_train_steps: write it after so many steps as well, for epochs of hours.

    Raises:
        ValueError: if ``every_n_train_steps`` is below 1.
    """

    def __init__(self, dirpath: str | None = None, every_n_train_steps: int | None = None) -> None:
        if every_n_train_steps is not None and every_n_train_steps < 1:
            raise ValueError(
                f"`every_n_train_steps` must be at least 1 or null, got {every_n_train_steps}"
            )
        self.dirpath = dirpath
        self.every_n_train_steps = every_n_train_steps
        self._saved_step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What a resumed run starts from is saved already."""
        self._saved_step = trainer.global_step

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Write it every so many steps: only now all that belongs to the last step is logged."""
        if (
            self.every_n_train_steps
            and batch_idx % trainer.accumulate_grad_batches == 0
            and trainer.global_step >= self._saved_step + self.every_n_train_steps
        ):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it after an epoch and its validation."""
        self._save(trainer)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Write it, where it can be trusted, and say how to go on.

        When the loss is NaN, the weights have often been going astray for some steps. The
        checkpoint of before is kept then, and ``nonfinite.ckpt`` holds the state in which the step
        fails, for a closer look, if its weights are finite.
        """
        if not trainer.global_step or not _writes(trainer):
            return
        last = Path(_path(self.dirpath, trainer, "last"))
        if isinstance(exception, NonFiniteError):
            exception.checkpoint = f"{last} (step {self._saved_step})" if last.exists() else None
            _save_alone(trainer, last.with_name("nonfinite.ckpt"), exception)
            return
        # rows or files that could not be written would be missing from a run that goes on here
        if self._saved_step != trainer.global_step and not isinstance(exception, WriteError):
            if isinstance(exception, StopRequest) and exception.agreed:
                self._save(trainer)
            else:
                _save_alone(trainer, last, exception)
        if last.exists():
            rank_zero_info(
                f"stopped after {trainer.global_step} steps; go on by "
                f"`make train RESUME={trainer.default_root_dir}`"
            )

    def _save(self, trainer: Trainer) -> None:
        if _writes(trainer) and trainer.global_step and _finite(trainer):
            trainer.save_checkpoint(_path(self.dirpath, trainer, "last"), False)
            self._saved_step = trainer.global_step


def _save_alone(trainer: Trainer, path: Path, error: BaseException) -> None:
    """Without a word to the other ranks, which may be gone, and only a state that is whole."""
    torn = _exact_resume(trainer).torn and not _while_fetching(error)
    if torn or not trainer.is_global_zero or not _finite(trainer):
        return
    try:
        save_on_this_rank(trainer, path)
    except WriteError as failure:  # the reason to stop is told already
        rank_zero_info(str(failure))


def _finite(trainer: Trainer) -> bool:
    """Whether the weights are; the same on all ranks. A gradient may break them unnoticed."""
    return all(bool(p.isfinite().all()) for p in trainer.lightning_module.parameters())


def _while_fetching(error: BaseException) -> bool:
    """Whether the next batch could not be had: all that belongs to the step before is logged."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code.co_filename == fetchers.__file__ for frame, _ in frames)


def _exact_resume(trainer: Trainer) -> ExactResume:
    return next(c for c in trainer.callbacks if isinstance(c, ExactResume))  # type: ignore[attr-defined]


def _writes(trainer: Trainer) -> bool:
    fitting = trainer.state.fn == TrainerFn.FITTING
    trying = trainer.sanity_checking or getattr(trainer, "fast_dev_run", False)
    return fitting and not trying


def _path(folder: str | None, trainer: Trainer, name: str) -> str:
    return str(Path(folder or Path(trainer.default_root_dir) / CHECKPOINTS) / f"{name}.ckpt")
