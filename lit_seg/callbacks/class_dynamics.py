"""What happens to each class while it trains, whatever the loss, over the steps."""

import math
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lit_seg.metrics.class_step import class_step, class_sums, gradient_sums, share
from lit_seg.metrics.collectives import sum_over_ranks
from lit_seg.runs.records import join_key
from lit_seg.tasks import LitSegmenter

_ALL_PIXELS = 40  # classes up to which all pixels cost less than 2 % of a step: `make bench`


class ClassDynamics(Callback):
    """Logs per true class what a step did, as ``class/<stat>/<class>``.

    The statistics are those of :func:`lit_seg.metrics.class_step.class_step`, measured here on the
    logits and labels that reach the loss, so they are the same quantities for every loss: recall,
    1 - recall, focal weight, confidence, false-positive rate, precision, each also normalised over
    the classes, the ratio of recall weight to focal weight (arXiv 2106.14917, Fig. 4), and the
    share of the gradient. They are of all pixels of the step: of all ranks, and of all batches that
    are accumulated. Only with more than 40 classes are rows and columns left out, since looking at
    a pixel then costs as much as a part of the network: of 150 classes every second is looked at.

    What the loss itself tells by ``class_stats()`` is logged too, its ``weight`` also normalised; a
    name that is taken already gets the prefix ``loss_``. Nothing is logged for a class whose value
    is not defined, such as the recall of one that is absent.

    Args:
        every_n_steps: how often. Steps between cost nothing.
        gamma: exponent of the focal weight; the paper's figure has 1.

    Raises:
        ValueError: if ``every_n_steps`` is below 1, or ``gamma`` negative.
    """

    def __init__(self, every_n_steps: int = 10, gamma: float = 1.0) -> None:
        if every_n_steps < 1:
            raise ValueError(f"`every_n_steps` must be at least 1, got {every_n_steps}")
        if not gamma >= 0:
            raise ValueError(f"`gamma` must not be negative, got {gamma}")
        self.every_n_steps = every_n_steps
        self.gamma = gamma
        self._step = 0  # that is under way
        self._sums: Tensor | None = None  # of its pixels so far, if it will be logged
        self._hook: RemovableHandle | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen to what reaches the loss."""
        assert isinstance(pl_module, LitSegmenter)
        self._hook = pl_module.loss.register_forward_pre_hook(self._watch)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Listen no longer, also after an error."""
        if self._hook is not None:
            self._hook.remove()
            self._hook = self._sums = None

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Begin to sum, where a step begins that will be logged."""
        assert isinstance(pl_module, LitSegmenter)
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._step = trainer.global_step
            logged = self._step % self.every_n_steps == 0
            self._sums = pl_module.pixel_mean.new_zeros(()) if logged else None

    def _watch(self, loss: nn.Module, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Sum over a batch that goes into the loss, and over its gradient when that comes."""
        if self._sums is None or not loss.training:
            return inputs
        logits, target = inputs
        if logits.requires_grad:
            logits = logits.view_as(logits)  # torch loses hooks on a view that was changed in place
        step = math.ceil(math.sqrt(logits.shape[1] / _ALL_PIXELS)) if logits.ndim == 4 else 1
        self._sums = self._sums + class_sums(*_thinned(logits, target, step), self.gamma)
        if logits.requires_grad:
            logits.register_hook(  # type: ignore[no-untyped-call]
                lambda gradient: self._add(gradient, target, step)
            )
        return logits, target

    def _add(self, gradient: Tensor, target: Tensor, step: int) -> None:
        if self._sums is not None:
            self._sums = self._sums + gradient_sums(*_thinned(gradient, target, step))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the statistics of this step, when it is done."""
        assert isinstance(pl_module, LitSegmenter)
        step = trainer.global_step - 1  # of the step just done, counted from 0 like all metrics
        if self._sums is None or step < self._step:  # more batches are to be accumulated
            return
        sums, self._sums = sum_over_ranks(self._sums), None
        stats = {name: values.cpu() for name, values in class_step(sums).items()}
        for name, values in pl_module.loss.class_stats().items():
            stats[f"loss_{name}" if name in stats else name] = values.detach().cpu()
        if "weight" in stats:
            stats["weight_norm"] = share(stats["weight"])
        metrics = {
            join_key(f"class/{stat}", name): value
            for stat, values in stats.items()
            for name, value in zip(pl_module.class_names, values.tolist(), strict=True)
            if abs(value) < torch.inf
        }
        if metrics:
            for logger in trainer.loggers:
                logger.log_metrics(metrics, step)


def _thinned(values: Tensor, target: Tensor, step: int) -> tuple[Tensor, Tensor]:
    """Every ``step``-th row and column; with a step of 1 all, also of what has none."""
    if step == 1:
        return values, target
    return values[..., ::step, ::step], target[..., ::step, ::step]
