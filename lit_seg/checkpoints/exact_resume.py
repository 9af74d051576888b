"""Resumes exactly: a resumed run ends bit by bit where an uninterrupted one ends."""

import random
import shutil
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_utilities.core.rank_zero import rank_zero_info
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor
from torch.optim import Optimizer

from lit_seg.checkpoints.averaged_weights import averaging, keep_state, prepare_averages
from lit_seg.checkpoints.contradictions import CURRENT, STEP_START, check_entries
from lit_seg.checkpoints.first_step import AfterFirstStep
from lit_seg.checkpoints.lightning_private import LOGGED_STEP, set_logged_step
from lit_seg.data.resumable import ResumableDataModule
from lit_seg.distributed.torch_private import copy_all
from lit_seg.errors import RunError, plural
from lit_seg.files.atomic_io import replace_file, writing
from lit_seg.loggers.csv_log import CSVLog
from lit_seg.loggers.run_loggers import started
from lit_seg.runs.layout import CHECKPOINTS

_POSITION = "position"
_STOPPED = "stopped_before"


class ExactResume(Callback):
    """Saves the position of training in every checkpoint, and resumes from there.

    - A position is (epoch, samples seen in the epoch, whether a validation is due). It counts
      samples, not batches, so that a run can resume with another number of ranks.
    - Each step seeds the random numbers by (seed, rank, step). So no generator's state needs to be
      saved, and ranks drop out different units.
    - Order and augmentation are functions of (seed, epoch, index), see ``data.sampling``.
    - If a step fails, its checkpoint holds the buffers (batch statistics, recall) from the start of
      the step, and the step is repeated as a whole. Under gradient accumulation a step is all
      batches between two updates.
    - A validation is repeated with all that follows it, such as the check of `EarlyStopping`, until
      the next step begins or all callbacks have ended the epoch. Its checkpoint holds the states
      that the callbacks had before it.
    - Rows that were logged after the checkpoint are dropped, because they are logged again, but not
      before the first step is done: a run that cannot go on leaves its folder as it was.

    Lightning's own counters of loops depend on the hook that saved them and on the number of ranks,
    so they are set from the position.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, Any] | None = None
        self._first_step_done = False
        self._needs_entries = False
        self._batches = 0  # of this epoch, before the current step or after the last one
        self._buffers: dict[str, Tensor] | None = None  # at the start of the current step
        self._copies: dict[str, Tensor] = {}  # the memory for them
        self._validations = 0  # that began in or after the current step
        self._before: dict[str, Any] = {}  # the states of callbacks before the validation
        self._stopped_before = False  # what `trainer.should_stop` was then
        self.validation_due = False
        """Whether a validation has begun, and what follows it is not all done."""
        self.mid_update = False
        """Whether the weights are being changed, or the change is not logged yet."""
        self.roll_back = True
        """Whether a checkpoint within a step holds the buffers of the step's start."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the loggers keep the rows of steps that will be repeated, for now."""
        prepare_averages(trainer, pl_module)
        self._first_step_done = False
        if self._loaded is not None:
            for logger in trainer.loggers:
                if isinstance(logger, CSVLog):
                    logger.hold(**self._loaded)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Store the state at the start of a step, and seed its random numbers."""
        set_logged_step(trainer, trainer.global_step)
        if batch_idx % trainer.accumulate_grad_batches:
            return
        self._batches, self.validation_due, self.mid_update = batch_idx, False, False
        self._validations = 0
        _seed(_data(trainer).seed, trainer.global_rank, trainer.global_step)
        self._buffers = self._copies = _copied(dict(pl_module.named_buffers()), self._copies)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Note that the weights are about to change."""
        if self._needs_entries and not self._first_step_done:
            check_entries(optimizer, pl_module)
        self.mid_update = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note that the step is done after its last batch; logging comes next."""
        if self.mid_update:
            # a validation within the step is not repeated any more
            self._batches, self._buffers, self.validation_due = batch_idx + 1, None, False
            self._begin_to_write(trainer, pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let checkpoints from here on repeat the validation, until what follows it is done."""
        keep_state(trainer, pl_module)
        if self._buffers is None or not self._validations:  # a step is repeated from its start
            # what was the best so far may stay: it is not better than itself
            others = (c for c in trainer.callbacks if not isinstance(c, Checkpoint))  # type: ignore[attr-defined]
            states = {callback.state_key: callback.state_dict() for callback in others}
            self._before = deepcopy({key: state for key, state in states.items() if state})
            self._stopped_before = trainer.should_stop
        self._validations += 1
        # one that averages weights exchanges them for the time of the validation
        self.validation_due, self.mid_update = True, bool(averaging(trainer))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to write, because a validation may come before the first step."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._begin_to_write(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the state of the loss, because averaging leaves its weights in the module."""
        keep_state(trainer, pl_module)

    def epoch_is_done(self) -> None:
        """Note that all callbacks have ended the epoch; `LastCheckpoint`, the last one, says so."""
        self.validation_due = self.mid_update = False

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hold a validation that is due when all steps are done: Lightning's loop is not run then.

        The end of its epoch comes after it. Of a finished run the last files may be missing.
        """
        if self.validation_due:
            trainer.strategy.model_to_device()  # Lightning has moved it to the CPU
            trainer.validating = True
            trainer.fit_loop.epoch_loop.val_loop.run()
            trainer.training = True
            pl_module.cpu()
            for callback in trainer.callbacks:  # type: ignore[attr-defined]
                callback.on_train_epoch_end(trainer, pl_module)
        self._begin_to_write(trainer, pl_module)

    def _begin_to_write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let other callbacks write, then drop the logged rows of steps that are repeated."""
        if self._first_step_done:
            return
        self._first_step_done = True
        if not trainer.is_global_zero or getattr(trainer, "fast_dev_run", False):
            return
        trainer.loggers = started(trainer.loggers)
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, AfterFirstStep):
                callback.after_first_step(trainer, pl_module)
        if self._loaded is not None:
            _take_place_of_last(Path(str(trainer.ckpt_path)), Path(trainer.default_root_dir))
            for logger in trainer.loggers:
                if isinstance(logger, CSVLog):
                    logger.keep_before(**self._loaded)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the position, and the buffers at that position."""
        if trainer.state.fn != TrainerFn.FITTING:
            return
        epoch, batches = trainer.current_epoch, self._batches
        # a validation within an accumulated step is repeated with the step
        due = self.validation_due and self._buffers is None
        stopped = trainer.should_stop
        if self.validation_due:
            checkpoint["callbacks"] |= self._before
            stopped = self._stopped_before
        progress = trainer.fit_loop.epoch_loop.batch_progress
        before = progress.total.ready - progress.current.ready
        if batches >= trainer.num_training_batches and not due:
            epoch, batches, before = epoch + 1, 0, before + batches
        samples = _data(trainer).samples_per_batch
        checkpoint[_POSITION] = {
            "epoch": epoch,
            "samples": batches * samples,
            "samples_before": before * samples,
            "validation_due": due,
            "validations": self._validations - 1 if due else 0,  # of the step, before that one
        }
        at_end = trainer.global_step == trainer.max_steps  # where the module stops it
        if stopped and trainer.early_stopping_callbacks and not at_end:
            checkpoint[_STOPPED] = _end(trainer)
        if self._buffers is not None:
            saved = checkpoint["state_dict"]
            start = {name: b for name, b in self._buffers.items() if name in saved}
            if self.roll_back:
                saved.update(start)
            else:
                checkpoint[STEP_START] = start
        keep_state(trainer, pl_module, checkpoint["state_dict"])  # the average is saved after this

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Set the data and Lightning's loops to the position."""
        if trainer.state.fn != TrainerFn.FITTING or _POSITION not in checkpoint:
            return
        position, step = checkpoint[_POSITION], checkpoint["global_step"]
        epoch, due = position["epoch"], position["validation_due"]
        data = _data(trainer)
        if position["samples"] > data.samples_per_epoch and data.changed_data == "refuse":
            raise RunError(
                f"the checkpoint's position.samples is {position['samples']}, and an epoch has "
                f"{plural(data.samples_per_epoch, 'image')}; resume from another checkpoint"
            )
        if type(data).__qualname__ not in checkpoint:
            rank_zero_info(
                "the checkpoint does not say which images and labels the run began with; whether "
                "they have changed is not known"
            )
        batches = data.start_at(epoch, position["samples"], trainer.accumulate_grad_batches)
        due = due or batches == data.batches_per_epoch  # with larger batches
        loops = checkpoint["loops"]["fit_loop"]
        before = position["samples_before"] // data.samples_per_batch
        _set_batches(loops, epoch, batches, before, due)
        _set_steps(loops, step, -(-batches // trainer.accumulate_grad_batches))
        # a validation is logged with the number of the last step
        loops["epoch_loop.state_dict"][LOGGED_STEP] = step - 1 if due else step
        # a run that stopped early has ended, unless the user asks for another end
        trainer.should_stop = checkpoint.get(_STOPPED) == _end(trainer)
        start = checkpoint.get(STEP_START, {})
        if others := start.keys() - dict(pl_module.named_buffers()).keys():
            raise RunError(
                f"the checkpoint's {STEP_START} holds {min(others)}, which is no buffer; resume "
                "from another checkpoint of the run"
            )
        pl_module.load_state_dict(start, strict=False)
        checkpoint.get(CURRENT, {}).update(start)  # loaded after this
        self._validations = position.get("validations", 0)
        # parameters that were frozen have no entries in the optimizer's state
        both = (checkpoint.get("hyper_parameters", {}), pl_module.hparams)
        was, now = (options.get("encoder_lr_factor") for options in both)
        self._needs_entries = was == now
        self._loaded = {"step": step, "validations": self._validations if due else None}
        self._batches, self.validation_due = batches, due


def _take_place_of_last(checkpoint: Path, run: Path) -> None:
    """Copy the checkpoint that a run resumes from to ``last.ckpt``, before rows are dropped.

    Otherwise a kill before the next checkpoint would leave a newer ``last.ckpt`` without its rows.
    """
    last = run / CHECKPOINTS / "last.ckpt"
    if checkpoint.resolve() != last.resolve():
        with writing(last), checkpoint.open("rb") as file:
            replace_file(last, lambda draft: shutil.copyfileobj(file, draft))


def _copied(values: dict[str, Tensor], into: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors into earlier copies, or new ones where one is missing or does not fit.

    A GPU is told once for each dtype: to copy the 90 buffers of a small network one by one takes
    as long as some of its layers.
    """
    pairs: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
    copies = {}
    for name, value in values.items():
        old = into.get(name)
        if old is None or _kind(old) != _kind(value):
            copies[name] = value.detach().clone()
            continue
        copies[name] = old
        olds, news = pairs.setdefault(old.dtype, ([], []))
        olds.append(old)
        news.append(value)
    for olds, news in pairs.values():
        copy_all(olds, news)
    return copies


def _kind(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.dtype, tensor.device


def _end(trainer: Trainer) -> list[int | None]:
    """The numbers of epochs and steps after which the options end the run."""
    return [trainer.max_epochs, trainer.max_steps]


def _set_batches(loops: dict[str, Any], epoch: int, batches: int, before: int, due: bool) -> None:
    """Set Lightning's counters of epochs and batches; an epoch begins with its first batch."""
    begun = epoch + bool(batches)
    _count(loops["epoch_progress"], ready=begun, started=begun, processed=epoch, completed=epoch)
    progress = loops["epoch_loop.batch_progress"]
    _count(progress["current"], batches)
    _count(progress["total"], before + batches)
    progress["is_last_batch"] = False
    # Lightning repeats a validation if a batch of it was started and not processed
    validation = loops["epoch_loop.val_loop.batch_progress"]
    _count(validation, ready=int(due), started=int(due), processed=0, completed=0)
    validation["is_last_batch"] = False


def _set_steps(loops: dict[str, Any], step: int, of_epoch: int) -> None:
    """Set Lightning's counters of updates."""
    optimizer = loops["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]
    for counter in (optimizer["step"], optimizer["zero_grad"]):
        _count(counter["total"], step)
        _count(counter["current"], of_epoch)
    _count(loops["epoch_loop.scheduler_progress"]["current"], of_epoch)


def _count(tracker: dict[str, Any], all_of_them: int = 0, **values: int) -> None:
    """Set the counters of a progress tracker: of its total and its current part, if it has both."""
    for part in (tracker["total"], tracker["current"]) if "total" in tracker else (tracker,):
        for key in part:
            part[key] = values.get(key, all_of_them)


def _seed(seed: int, rank: int, step: int) -> None:
    words = np.random.SeedSequence((seed, rank, step)).generate_state(2)
    torch.manual_seed(int(words[0]))
    np.random.seed(words[1])
    random.seed(int(words[1]))


def _data(trainer: Trainer) -> ResumableDataModule:
    data: ResumableDataModule = trainer.datamodule  # type: ignore[attr-defined]
    return data
