"""Handles weights that a callback of Lightning averages, as in a moving average."""

from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging

from lit_seg.checkpoints.lightning_private import average_of


def averaging(trainer: Trainer) -> list[WeightAveraging]:
    """Find the callbacks that average weights."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    return [callback for callback in callbacks if isinstance(callback, WeightAveraging)]


def keep_constants(trainer: Trainer, module: LightningModule) -> None:
    """Undo the averaging of what a checkpoint does not hold, such as the mean colour of images.

    It is the same at each step, but its average is not, by rounding; a run that resumes has no such
    average to go on from.
    """
    saved = module.state_dict().keys()
    for callback in averaging(trainer):
        average = average_of(callback)
        if average is not None:
            theirs = dict(average.named_buffers())
            for name, buffer in module.named_buffers():
                if name not in saved:
                    theirs[name].copy_(buffer)


@contextmanager
def scored_weights(trainer: Trainer, module: LightningModule) -> Iterator[None]:
    """Put the weights that were scored into the module, for reports on a validation.

    Averaged weights are in the module for the batches of a validation only.
    """
    for callback in averaging(trainer):
        callback.on_validation_epoch_start(trainer, module)
    try:
        yield
    finally:
        for callback in averaging(trainer):
            callback.on_validation_epoch_end(trainer, module)
