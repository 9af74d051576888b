"""Writes the two checkpoints of a run: the best by validation, and the last, to resume from."""

import math
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_info
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loops import evaluation_loop, fetchers
from pytorch_lightning.trainer.states import TrainerFn

from lit_seg.checkpoints.averaged_weights import averaging
from lit_seg.checkpoints.exact_resume import ExactResume
from lit_seg.checkpoints.lightning_private import save_on_this_rank
from lit_seg.errors import NonFiniteError, RunError, StopRequest, WriteError, plural
from lit_seg.metrics.scores import STATS
from lit_seg.runs.layout import CHECKPOINTS
from lit_seg.runs.records import split_stat


class BestCheckpoint(Checkpoint):
    """Writes ``best.ckpt`` when ``val/miou`` is higher than in all validations before.

    Args:
        dirpath: the folder of the checkpoint; the command line sets it.
        monitor: the metric to compare, which every validation must log; larger is better.
    """

    def __init__(self, dirpath: str | None = None, monitor: str = "val/miou") -> None:
        self.dirpath = dirpath
        self.monitor = monitor
        self.best_score: float | None = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the checkpoint if the score is the highest so far."""
        if not _is_fitting(trainer):
            return
        if self.monitor not in trainer.callback_metrics:
            keys = ", ".join(sorted(trainer.callback_metrics))
            raise RunError(f"`best_checkpoint.monitor`: there is no {self.monitor!r}; given {keys}")
        score = float(trainer.callback_metrics[self.monitor])
        before, resume = self.best_score, _exact_resume(trainer)
        if not (before is None or math.isnan(before) or score > before):
            return
        try:  # an error can come from anywhere in it: a signal brings that of a lost worker
            self.best_score = score  # set before saving, because the checkpoint holds it
            resume.roll_back = False  # the scored state, also within an accumulated step
            trainer.save_checkpoint(_path(self.dirpath, trainer, "best"), False)
        except BaseException:
            self.best_score = before
            raise
        finally:
            resume.roll_back = True

    def state_dict(self) -> dict[str, Any]:
        return {"best_score": self.best_score}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the best score; the folder is not read, because the run may have moved.

        Raises:
            RunError: if it is no value of the metric: no later one might be higher.
        """
        score = state_dict["best_score"]
        if split_stat(self.monitor)[1] in STATS and not 0 <= (score or 0) <= 1:
            raise RunError(
                f"the checkpoint's best_score is {score}, and {self.monitor} is 0 to 1; resume "
                "from another checkpoint of the run"
            )
        self.best_score = score


class LastCheckpoint(Checkpoint):
    """Writes ``last.ckpt`` after each epoch, and when a signal or an error ends the run.

    Args:
        dirpath: the folder of the checkpoint; the command line sets it.
        every_n_train_steps: also write it after so many steps, for epochs that take hours.
    """

    def __init__(self, dirpath: str | None = None, every_n_train_steps: int | None = None) -> None:
        if every_n_train_steps is not None and every_n_train_steps < 1:
            raise ValueError(
                f"`every_n_train_steps` must be at least 1 or null, got {every_n_train_steps}"
            )
        self.dirpath = dirpath
        self.every_n_train_steps = every_n_train_steps
        self._saved_step: int | None = None  # until training starts, with all of its state loaded
        self._first_step = 0  # of this process

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Remember that the state from which a resumed run starts is saved already."""
        self._saved_step = self._first_step = trainer.global_step

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Write it every so many steps, at the start of a step, when the last step is logged."""
        if (
            self.every_n_train_steps
            and self._saved_step is not None
            and batch_idx % trainer.accumulate_grad_batches == 0
            and trainer.global_step >= self._saved_step + self.every_n_train_steps
        ):
            self._save(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it if there is none yet, or if weights are exchanged for the validation.

        A run that is killed would go on from ``best.ckpt``, which does not hold what callbacks do
        at the end of the epoch; and in the validation the averaged weights are no state to save.
        """
        new = self._saved_step != trainer.global_step
        if new and (not self._saved_step or averaging(trainer)):
            self._save(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it; all other callbacks have ended the epoch."""
        _exact_resume(trainer).epoch_is_done()
        self._save(trainer)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Write the checkpoint if the state can be trusted, and print how to resume.

        When the loss is NaN, the weights have often diverged some steps before. The old checkpoint
        is kept then. If the weights are finite, ``nonfinite.ckpt`` gets the state in which the step
        fails, for debugging.
        """
        # what failed while it loaded a checkpoint holds a part of its state
        if not trainer.global_step or not _is_fitting(trainer) or self._saved_step is None:
            return
        last = Path(_path(self.dirpath, trainer, "last"))
        if isinstance(exception, NonFiniteError):
            exception.checkpoint = f"{last} (step {self._saved_step})" if last.exists() else None
            _save_alone(trainer, last.with_name("nonfinite.ckpt"), exception)
            return
        # after a WriteError, rows or files would be missing from a run that resumes here
        if self._saved_step != trainer.global_step and not isinstance(exception, WriteError):
            if isinstance(exception, StopRequest) and exception.agreed:
                self._save(trainer)
            else:
                _save_alone(trainer, last, exception)
        # an error before any step would come again; it says itself what to do
        if last.exists() and (
            trainer.global_step > self._first_step or isinstance(exception, StopRequest)
        ):
            task = getattr(pl_module, "make_options", "")
            rank_zero_info(
                f"stopped after {plural(trainer.global_step, 'step')}; resume by "
                f"`make train {task}RESUME={trainer.default_root_dir}`"
            )

    def _save(self, trainer: Trainer) -> None:
        if _is_fitting(trainer) and trainer.global_step and _weights_are_finite(trainer):
            trainer.save_checkpoint(_path(self.dirpath, trainer, "last"), False)
            self._saved_step = trainer.global_step


def _save_alone(trainer: Trainer, path: Path, error: BaseException) -> None:
    """Save without a collective, because other ranks may be gone, and only a whole state."""
    resume, loading = _exact_resume(trainer), _is_within(error, fetchers)
    validating = _is_within(error, evaluation_loop)
    if loading and validating and not resume.validation_due:  # it was about to begin
        resume.on_validation_start(trainer, trainer.lightning_module)
    # where loading the next batch failed, the last step is logged completely
    mid_update = resume.mid_update and (validating or not loading)
    if mid_update or not trainer.is_global_zero or not _weights_are_finite(trainer):
        return
    try:
        save_on_this_rank(trainer, path)
    except WriteError as failure:  # the error that ended the run is raised; this one is printed
        rank_zero_info(str(failure))


def _weights_are_finite(trainer: Trainer) -> bool:
    """Whether the weights are finite, on all ranks alike; one gradient may break them unnoticed."""
    return all(bool(p.isfinite().all()) for p in trainer.lightning_module.parameters())


def _is_within(error: BaseException, module: ModuleType) -> bool:
    """Whether an error came through the code of a module."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code.co_filename == module.__file__ for frame, _ in frames)


def _exact_resume(trainer: Trainer) -> ExactResume:
    return next(c for c in trainer.callbacks if isinstance(c, ExactResume))  # type: ignore[attr-defined]


def _is_fitting(trainer: Trainer) -> bool:
    trying = trainer.sanity_checking or getattr(trainer, "fast_dev_run", False)
    return trainer.state.fn == TrainerFn.FITTING and not trying


def _path(folder: str | None, trainer: Trainer, name: str) -> str:
    return str(Path(folder or Path(trainer.default_root_dir) / CHECKPOINTS) / f"{name}.ckpt")
