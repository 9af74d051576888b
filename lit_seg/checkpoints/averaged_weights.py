"""Handles weights that a callback of Lightning averages, as in a moving average."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import WeightAveraging
from torch import Tensor

from lit_seg.checkpoints.lightning_private import average_of, prepare_average


def averaging(trainer: Trainer) -> list[WeightAveraging]:
    """Find the callbacks that average weights."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    return [callback for callback in callbacks if isinstance(callback, WeightAveraging)]


def prepare_averages(trainer: Trainer, module: LightningModule) -> None:
    """Let the averages be on the module's device, and average only what has a mean.

    Lightning copies the module before it moves it, and would average the weights of a GPU on the
    CPU, at each step.
    """
    for callback in averaging(trainer):
        prepare_average(callback, module.device)


def keep_state(
    trainer: Trainer, module: LightningModule, state: Mapping[str, Tensor] | None = None
) -> None:
    """Undo the averaging of all but weights and batch statistics.

    - The state of the loss is that of the last step. In an average of recalls the NaN of a class
      that is not seen yet would stay for ever, and there is none of whether something has started.
    - What a checkpoint does not hold, such as the mean colour of images, is the same at each step,
      but its average is not, by rounding; a run that resumes has no such average to go on from.

    Args:
        trainer: whose callbacks average.
        module: the current one.
        state: values to take in place of the module's, by name.
    """
    saved = module.state_dict().keys()
    for callback in averaging(trainer):
        average = average_of(callback)
        if average is not None:
            theirs = dict(average.named_buffers())
            for name, buffer in module.named_buffers():
                if not (name.startswith("network.") and name in saved):
                    theirs[name].copy_((state or {}).get(name, buffer))


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
