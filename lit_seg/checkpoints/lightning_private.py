"""The private names of Lightning that have no public counterpart; nothing else here uses any."""

from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import WeightAveraging
from torch import nn
from torch.optim.swa_utils import get_swa_avg_fn

LOGGED_STEP = "_batches_that_stepped"
"""The key of the step for loggers in the state of Lightning's loop over batches."""


def set_logged_step(trainer: Trainer, step: int) -> None:
    """Make Lightning log at this step; it loses its own count when a run goes on."""
    trainer.fit_loop.epoch_loop._batches_that_stepped = step


def save_on_this_rank(trainer: Trainer, path: Path) -> None:
    """Write a checkpoint without the barrier that ``Trainer.save_checkpoint`` enters."""
    state: dict[str, Any] = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
    trainer.strategy.checkpoint_io.save_checkpoint(state, path)


def average_of(callback: WeightAveraging) -> nn.Module | None:
    """The module of averaged weights; None where nothing is trained."""
    averaged = callback._average_model
    return None if averaged is None else averaged.module


def prepare_average(callback: WeightAveraging, device: torch.device) -> None:
    """Move the averaged weights to a device, unless the user gave one, and average fractions only.

    Torch cannot subtract truth values, and the average of counts is rounded down.
    """
    model = callback._average_model
    if model is None:
        return
    if callback._device is None:
        model.to(device)
    average = model.avg_fn or get_swa_avg_fn()  # type: ignore[no-untyped-call]
    model.avg_fn = lambda old, new, n: average(old, new, n) if new.is_floating_point() else new
