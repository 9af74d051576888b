"""Logs statistics of each class over the training steps, for any loss."""

import math
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lit_seg.callbacks.class_charts import class_charts
from lit_seg.loggers.wandb_log import wandb_run
from lit_seg.losses.base import SegLoss
from lit_seg.metrics.class_step import class_step, class_sums, gradient_sums, share
from lit_seg.metrics.collectives import sum_over_ranks
from lit_seg.ops.upsampled_chunked import upsampled
from lit_seg.runs.records import GLOBAL_STEP, join_key, stat_of
from lit_seg.tasks import LitSegmenter

_ALL_PIXELS = 40  # up to so many classes all pixels cost less than 2 % of a step (`make bench`)


class ClassDynamics(Callback):
    """Logs ``class/<stat>/<class>``, the statistics of a training step per class.

    The statistics are those of :func:`lit_seg.metrics.class_step.class_step`. They are computed
    from the logits and labels that reach the loss, so they mean the same for every loss. They cover
    all pixels of the step, on all ranks and in all accumulated batches. With more than 40 classes
    rows and columns are skipped to save time: with 150 classes every second one is used.

    W&B gets a chart of each statistic with a line per class, also of the scores of validations:
    whenever the number of steps has doubled, and at the end.

    The values of the loss's ``class_stats()`` are logged too, and its ``weight`` also as a share of
    the sum over the classes of the step. A name that is taken gets the prefix ``loss_``. Undefined
    values, such as the recall of an absent class, are not logged.

    Args:
        every_n_steps: steps between two records; the steps between cost nothing.
        gamma: exponent of the focal weight; it is 1 in Fig. 4 of arXiv 2106.14917.
    """

    def __init__(self, every_n_steps: int = 10, gamma: float = 1.0) -> None:
        if every_n_steps < 1:
            raise ValueError(f"`every_n_steps` must be at least 1, got {every_n_steps}")
        if not gamma >= 0:
            raise ValueError(f"`gamma` must not be negative, got {gamma}")
        self.every_n_steps = every_n_steps
        self.gamma = gamma
        self._step = 0  # the current step
        self._sums: Tensor | None = None  # over the step's pixels so far; None if it is not logged
        self._hook: RemovableHandle | None = None
        self._charted = 0  # the steps that are in W&B's charts

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Hook into the loss, to see its inputs."""
        assert isinstance(pl_module, LitSegmenter)
        self._hook = pl_module.loss.register_forward_pre_hook(self._watch)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Remove the hook, also after an error."""
        if self._hook is not None:
            self._hook.remove()
            self._hook = self._sums = None

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the sums of a step that will be logged."""
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._step = trainer.global_step
            logged = self._step % self.every_n_steps == 0
            self._sums = torch.zeros((), device=pl_module.device) if logged else None

    def _watch(self, loss: nn.Module, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Add the pixels of a batch, and their gradient once it is computed."""
        if self._sums is None or not loss.training:
            return inputs
        logits, target = inputs
        if logits.shape[2:] != target.shape[1:]:
            assert isinstance(loss, SegLoss)
            logits = upsampled(logits, target, loss.align_corners)
        if logits.requires_grad:
            logits = logits.view_as(logits)  # torch loses hooks on a view that is changed in place
        every = math.ceil(math.sqrt(logits.shape[1] / _ALL_PIXELS)) if logits.ndim == 4 else 1
        labels = _thinned(target, every)
        self._sums = self._sums + class_sums(_thinned(logits, every), labels, self.gamma)
        if logits.requires_grad:
            hook = partial(self._add_gradient, labels=labels, every=every)
            logits.register_hook(hook)  # type: ignore[no-untyped-call]
        return logits, target

    def _add_gradient(self, gradient: Tensor, labels: Tensor, every: int) -> None:
        if self._sums is not None:
            self._sums = self._sums + gradient_sums(_thinned(gradient, every), labels)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Log the statistics after the last batch of the step."""
        assert isinstance(pl_module, LitSegmenter)
        step = trainer.global_step - 1  # the step just done; all metrics count from 0
        if self._sums is None or step < self._step:  # more batches will be accumulated
            return
        # the one wait for a GPU, but for those of the loss's own statistics
        sums, self._sums = sum_over_ranks(self._sums).cpu(), None
        stats = class_step(sums)
        absent = sums[0] == 0
        for name, values in pl_module.loss.class_stats().items():
            stats[f"loss_{name}" if name in stats else name] = values.detach().cpu()
        if "weight" in stats:
            stats["weight_norm"] = share(stats["weight"].masked_fill(absent, torch.nan))
        metrics = {
            join_key(stat_of("class", stat), name): value
            for stat, values in stats.items()
            for name, value in zip(pl_module.class_names, values.tolist(), strict=True)
            if abs(value) < torch.inf
        }
        if metrics:
            for logger in trainer.loggers:
                logger.log_metrics(metrics, step)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the charts if twice as many steps were trained as they show."""
        if trainer.state.fn != "fit" or trainer.global_step >= max(1, 2 * self._charted):
            self._draw(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the charts of all steps."""
        self._draw(trainer)

    def _draw(self, trainer: Trainer) -> None:
        run = wandb_run(trainer) if trainer.is_global_zero else None
        if run is None or trainer.sanity_checking or self._charted == trainer.global_step:
            return
        self._charted = trainer.global_step
        folder = Path(trainer.default_root_dir)
        charts = class_charts(folder, self.every_n_steps, trainer.global_step)
        run.log({**charts, GLOBAL_STEP: trainer.global_step - 1})


def _thinned(values: Tensor, every: int) -> Tensor:
    """Take each ``every``-th row and column; 1 takes everything, also if there are no rows."""
    return values if every == 1 else values[..., ::every, ::every]
