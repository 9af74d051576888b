"""The end of a training step, for any task: what ranks tell each other, what is logged."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.optim import Optimizer

from lit_seg.distributed.step_exchange import StepExchange, is_finite, non_finite
from lit_seg.metrics.collectives import world_size
from lit_seg.metrics.labels import check_labels
from lit_seg.tasks.schedule import ScheduledModule, SchedulerFactory


class ExchangedModule(ScheduledModule):
    """Base of the tasks: ends a step by one exchange between ranks, after backward.

    A subclass calls :meth:`end_step_with` in its training step, and scores by :meth:`evaluate` and
    :meth:`log_scores`.
    """

    class_names: list[str]

    def __init__(
        self,
        optimizer: Callable[[Any], Optimizer],
        lr_scheduler: SchedulerFactory | None,
        lr_interval: Literal["step", "epoch"],
        lr_monitor: str,
    ) -> None:
        super().__init__(optimizer, lr_scheduler, lr_interval, lr_monitor)
        self.exchange = StepExchange()
        """Takes what callbacks want to know of a step, until `on_after_backward` of this module."""
        self._computed: tuple[Mapping[str, Any], Tensor, Tensor, Tensor, Tensor] | None = None
        self.wants_to_stop = False
        """Whether a signal asked this rank to stop; ranks tell each other with each loss."""
        self.all_stop = False
        """Whether any rank wanted to stop at the last exchange."""
        self.scored_step = -1
        """The number of training steps before the last pass over a validation or test set."""

    @abstractmethod
    def evaluate(self, batch: Any, stage: str) -> None:
        """Count a batch of a validation or test set."""

    @abstractmethod
    def log_scores(self, stage: str) -> None:
        """Score the batches that were counted, and log the scores below ``stage``."""

    def end_step_with(
        self, batch: Mapping[str, Any], loss: Tensor, logits: Tensor, target: Tensor
    ) -> None:
        """Keep what :meth:`on_after_backward` looks at; an error names the images of the batch."""
        self._computed = batch, loss.detach(), logits.detach(), target, is_finite(loss, logits)

    def on_after_backward(self) -> None:
        """Log the mean loss over ranks, and stop before the weights change if it is broken.

        Raises:
            NonFiniteError: on all ranks, if the loss or logits of one are NaN or infinite.
            ValueError: naming labels that are neither a class nor void.
        """
        assert self._computed is not None
        (batch, loss, logits, target, finite), self._computed = self._computed, None
        # `new_full`: a number would be sent to the GPU, with a wait
        stop = loss.new_full((), float(self.wants_to_stop))
        self.exchange.add(loss=loss, broken=~finite, stop=stop)
        values = self.exchange.finish()
        self.all_stop = bool(values["stop"])
        if values["broken"]:
            check_labels(target, len(self.class_names))  # on a GPU the loss is NaN then
            raise non_finite(f"step {self.global_step}", loss, logits, batch["name"])
        # a tensor stays on the CPU; a number would be sent to the GPU, with a wait
        mean = values["loss"] / world_size()
        self.log("train/loss", mean.to(loss.dtype), prog_bar=True)
        self.log("train/lr", torch.tensor(self.trainer.optimizers[0].param_groups[0]["lr"]))

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """End the epoch at ``max_steps``, so that the last weights are validated."""
        if self.global_step == self.trainer.max_steps:
            self.trainer.should_stop = True

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.evaluate(batch, "validation")

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.evaluate(batch, "test")

    def on_validation_epoch_end(self) -> None:
        self.log_scores("val")

    def on_test_epoch_end(self) -> None:
        self.log_scores("test")

    @property
    def needs_scoring(self) -> bool:
        """Whether the current weights were never validated, although there is validation data."""
        return self.scored_step != self.global_step and self.trainer.enable_validation
