"""Checks of trainer options that Lightning accepts but this project does not support."""

from typing import Any

from pytorch_lightning.accelerators import AcceleratorRegistry

from lit_seg.errors import RunError

_OTHER_STRATEGIES = (
    *("ddp_spawn", "ddp_fork", "ddp_notebook"),
    *("fsdp", "deepspeed", "model_parallel", "xla"),
)


def check_options(config: Any) -> None:
    """Refuse options before any object is built from them, with their value and the way out."""
    trainer = config.trainer
    for key in ("accumulate_grad_batches", "check_val_every_n_epoch"):
        if trainer[key] is not None and trainer[key] < 1:
            raise RunError(f"`trainer.{key}` must be at least 1, got {trainer[key]}")
    if trainer.reload_dataloaders_every_n_epochs:
        raise RunError(
            "`trainer.reload_dataloaders_every_n_epochs` cannot be "
            f"{trainer.reload_dataloaders_every_n_epochs}: a new loader would show the epoch that "
            "the run started with once more; each epoch has an order of its own without it"
        )
    if trainer.overfit_batches:
        raise RunError(
            f"`trainer.overfit_batches` cannot be {trainer.overfit_batches}: it replaces our "
            "sampler; `trainer.limit_train_batches` trains on a part of the images"
        )
    for key in ("optimizer", "lr_scheduler"):  # LightningCLI adds these options itself
        if config.get(key):
            raise RunError(f"`{key}` would replace the one of the model: give `model.{key}`")
    if trainer.barebones:
        raise RunError("`trainer.barebones` cannot be true: a run writes its numbers and files")
    if isinstance(trainer.strategy, str) and trainer.strategy.startswith(_OTHER_STRATEGIES):
        raise RunError(
            f"`trainer.strategy` cannot be {trainer.strategy}: forked ranks and ranks that hold a "
            "part of the weights are not supported; take `ddp`"
        )
    if config.weights_only is False:
        raise RunError("`weights_only: false` lets a checkpoint run its code; leave it out")
    if str(trainer.devices) in ("0", "[]"):
        raise RunError(
            f"`trainer.devices` must be at least 1, got {trainer.devices}; without the option the "
            "run takes what there is"
        )
    _check_accelerator(trainer.accelerator)


def _check_accelerator(name: Any) -> None:
    registered = AcceleratorRegistry.available_accelerators()
    names = {"gpu": ("cuda", "mps")}.get(name, (name,)) if isinstance(name, str) else ()
    classes = [AcceleratorRegistry[n]["accelerator"] for n in names if n in registered]
    if classes and not any(cls.is_available() for cls in classes):
        raise RunError(
            f"`trainer.accelerator` cannot be {name}: this machine has none; without the option "
            "the run takes what there is"
        )
