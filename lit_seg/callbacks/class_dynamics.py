"""Logs statistics of each class over the training steps, for any loss."""

from contextlib import ExitStack
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
from lit_seg.losses.pixelwise import PixelLoss
from lit_seg.losses.record import Seen, record
from lit_seg.metrics.class_step import class_step, class_sums, gradient_sums, pixel_sums, share
from lit_seg.ops.upsampled_chunked import upsampled
from lit_seg.runs.records import GLOBAL_STEP, join_key, stat_of

_OWN = "of the loss: "


class ClassDynamics(Callback):
    """Logs ``class/<stat>/<class>``, the statistics of a training step per class.

    The statistics are those of :func:`lit_seg.metrics.class_step.class_step`. They are of the
    logits and labels that reach the loss, so they mean the same for every loss. They cover all
    pixels of the step, on all ranks and in all accumulated batches. A loss that is a mean over
    pixels hands out what it finds in its own pass over the logits; for others there is a second
    one, and the logits have the size of the labels.

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
        self._recorded = False  # whether the loss hands out what it finds
        self._record = ExitStack()  # which is open while it does
        self._seen: list[Seen] = []  # what it hands out
        self._hook: RemovableHandle | None = None
        self._charted = 0  # the steps that are in W&B's charts

    def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Hook into a loss that hands out nothing, to see its inputs."""
        self._recorded = self.is_recorded(pl_module.loss)
        if not self._recorded:
            self._hook = pl_module.loss.register_forward_pre_hook(self._watch)

    def on_exception(self, *_: Any) -> None:
        """Let the loss hand out nothing any more."""
        self._record.close()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Remove the hook, also after an error."""
        if self._hook is not None:
            self._hook.remove()
            self._hook = None
        self._sums = None

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Start the sums of a step that will be logged."""
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._step = trainer.global_step
            logged = self._step % self.every_n_steps == 0
            self._sums = torch.zeros((), device=pl_module.device) if logged else None
        if self._sums is not None and self._recorded:
            self._seen = self._record.enter_context(record())

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
        labels = target.long()
        self._sums = self._sums + class_sums(logits, labels, self.gamma)
        if logits.requires_grad:
            logits.register_hook(partial(self._add_gradient, labels=labels))  # type: ignore[no-untyped-call]
        return logits, target

    def _add_gradient(self, gradient: Tensor, labels: Tensor) -> None:
        if self._sums is not None:
            self._sums = self._sums + gradient_sums(gradient, labels)

    def on_after_backward(self, trainer: Trainer, pl_module: Any) -> None:
        """Let the sums and the loss's own statistics travel with the loss."""
        if self._sums is not None:
            self._record.close()
            for batch in self._seen:
                found = batch.counts, batch.nll, batch.target, self.gamma, batch.slopes()
                self._sums = self._sums + pixel_sums(*found)
            self._seen = []
            pl_module.exchange.add(class_sums=self._sums)
            own = self.loss_stats(pl_module)
            pl_module.exchange.read(**{_OWN + name: values for name, values in own.items()})

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
        """Log the statistics after the last batch of the step."""
        step = trainer.global_step - 1  # the step just done; all metrics count from 0
        if self._sums is None or step < self._step:  # more batches will be accumulated
            return
        self._sums, told = None, pl_module.exchange.values
        sums = told["class_sums"]
        stats = class_step(sums)
        absent = sums[0] == 0
        for key, values in told.items():
            if key.startswith(_OWN):
                name = key.removeprefix(_OWN)
                stats[f"loss_{name}" if name in stats else name] = values
        if "weight" in stats:
            stats["weight_norm"] = share(stats["weight"].masked_fill(absent, torch.nan))
        metrics = {
            join_key(stat_of("class", stat), name): value
            for stat, values in stats.items()
            for name, value in self.lines(pl_module, values).items()
            if abs(value) < torch.inf
        }
        if metrics:
            for logger in trainer.loggers:
                logger.log_metrics(metrics, step)

    def is_recorded(self, loss: SegLoss) -> bool:
        """Whether the one loss that a loss consists of hands out what it finds, pixel by pixel."""
        parts = [part for part in loss.modules() if isinstance(part, SegLoss)]
        ends = [p for p in parts if not any(isinstance(child, SegLoss) for child in p.children())]
        return len(ends) == 1 and getattr(type(ends[0]), "loss", None) is PixelLoss.loss

    def loss_stats(self, pl_module: Any) -> dict[str, Tensor]:
        """The loss's own statistics: name to ``(C,)`` tensor."""
        stats: dict[str, Tensor] = pl_module.loss.class_stats()
        return stats

    def lines(self, pl_module: Any, values: Tensor) -> dict[str, float]:
        """What is logged of the ``(C,)`` values of a statistic, by name."""
        return dict(zip(pl_module.class_names, values.tolist(), strict=True))

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
