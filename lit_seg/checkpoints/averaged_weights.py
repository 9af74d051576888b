"""Weights that a callback of Lightning averages, such as an exponential moving average."""

from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging


def averaging(trainer: Trainer) -> list[WeightAveraging]:
    """The callbacks that average weights."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    return [callback for callback in callbacks if isinstance(callback, WeightAveraging)]


@contextmanager
def scored_weights(trainer: Trainer, module: LightningModule) -> Iterator[None]:
    """The weights that were scored, in the reports on a validation.

    Averaged weights are in the module for the batches of a validation only.
    """
    for callback in averaging(trainer):
        callback.on_validation_epoch_start(trainer, module)
    try:
        yield
    finally:
        for callback in averaging(trainer):
            callback.on_validation_epoch_end(trainer, module)
