"""Checks of trainer options that Lightning accepts but this project does not support."""

from collections.abc import Collection
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning.accelerators import AcceleratorRegistry

from lit_seg.errors import RunError

_OTHER_STRATEGIES = (
    *("ddp_spawn", "ddp_fork", "ddp_notebook"),
    *("fsdp", "deepspeed", "model_parallel", "xla"),
)
_OTHER_CLASSES = (
    *("FSDPStrategy", "DeepSpeedStrategy", "ModelParallelStrategy", "XLAStrategy"),
    "SingleDeviceXLAStrategy",
)

_LEAST = {
    **dict.fromkeys(("accumulate_grad_batches", "check_val_every_n_epoch"), 1),
    **dict.fromkeys(("gradient_clip_val", "log_every_n_steps", "min_epochs", "min_steps"), 0),
    "num_sanity_val_steps": -1,
}
"""The least value of trainer options that Lightning takes whatever their number is."""


def check_options(config: Any, sections: Collection[str]) -> None:
    """Refuse options before any object is built from them, with their value and the way out.

    Args:
        config: the options, parsed.
        sections: those that hold others.
    """
    for key, value in vars(config).items():
        if key in sections and not isinstance(value, Namespace):
            raise RunError(f"`{key}` holds options with their values, got {value!r}; leave it out")
    if not config.run_dir or "\0" in config.run_dir:
        raise RunError(
            f"`run_dir` must name a folder, without a character of value 0, got {config.run_dir!r}"
        )
    trainer = config.trainer
    for key, least in _LEAST.items():
        if trainer[key] is not None and not trainer[key] >= least:  # NaN is not
            raise RunError(f"`trainer.{key}` must be at least {least}, got {trainer[key]}")
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
    for key in ("class_counts", "class_names"):
        if (given := config.model.get(key)) is not None:
            raise RunError(f"`model.{key}` comes from the data, got {given}; leave it out")
    for key in ("optimizer", "lr_scheduler"):  # LightningCLI adds these options itself
        if config.get(key):
            raise RunError(f"`{key}` would replace the one of the model: give `model.{key}`")
    if trainer.barebones:
        raise RunError("`trainer.barebones` cannot be true: a run writes its numbers and files")
    if trainer.get("model_registry"):
        raise RunError(
            f"`trainer.model_registry` cannot be {trainer.model_registry}: it uploads checkpoints; "
            "leave it out"
        )
    _check_strategy(trainer.strategy)
    if config.weights_only is False:
        raise RunError("`weights_only: false` lets a checkpoint run its code; leave it out")
    devices = str(trainer.devices)
    no_number = not devices.isdecimal() and devices != "auto" and _on_cpu(trainer.accelerator)
    if devices in ("0", "[]") or no_number:
        raise RunError(
            f"`trainer.devices` must be at least 1, got {trainer.devices}; without the option the "
            "run takes what there is"
        )
    _check_accelerator(trainer.accelerator)


def _check_strategy(given: Any) -> None:
    """Of a name, or of a class with its options."""
    name, method = given, None
    if not isinstance(given, str):
        name = given.class_path.rpartition(".")[2]
        method = (given.get("init_args") or {}).get("start_method")
    if (
        (isinstance(given, str) and given.startswith(_OTHER_STRATEGIES))
        or name in _OTHER_CLASSES
        or method not in (None, "popen")
    ):
        started = f" with start_method {method}" if method else ""
        raise RunError(
            f"`trainer.strategy` cannot be {name}{started}: forked ranks and ranks that hold a "
            "part of the weights are not supported; take `ddp`"
        )


def _on_cpu(accelerator: Any) -> bool:
    others = (AcceleratorRegistry[name]["accelerator"] for name in ("cuda", "mps"))
    return accelerator == "cpu" or (
        accelerator == "auto" and not any(cls.is_available() for cls in others)
    )


def _check_accelerator(name: Any) -> None:
    registered = AcceleratorRegistry.available_accelerators()
    names = {"gpu": ("cuda", "mps")}.get(name, (name,)) if isinstance(name, str) else ()
    classes = [AcceleratorRegistry[n]["accelerator"] for n in names if n in registered]
    if classes and not any(cls.is_available() for cls in classes):
        raise RunError(
            f"`trainer.accelerator` cannot be {name}: this machine has none; without the option "
            "the run takes what there is"
        )
