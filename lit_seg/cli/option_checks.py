"""Refuses trainer options that Lightning accepts but this project does not support."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning import Callback
from pytorch_lightning.accelerators import AcceleratorRegistry
from pytorch_lightning.callbacks import (
    BaseFinetuning,
    BatchSizeFinder,
    GradientAccumulationScheduler,
    LearningRateFinder,
    ModelPruning,
    SpikeDetection,
    StochasticWeightAveraging,
)

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
"""The least value of trainer options that Lightning does not check itself."""

_REFUSED = {
    "reload_dataloaders_every_n_epochs": (
        "a new loader would show the epoch that the run started with once more; each epoch has an "
        "order of its own without it"
    ),
    "overfit_batches": (
        "it replaces our sampler; `trainer.limit_train_batches` trains on a part of the images"
    ),
    "barebones": "a run writes its numbers and files",
    "model_registry": "it uploads checkpoints; leave it out",
}
"""Options that change what a run is, if they are given: why, and what to do instead."""

_NOT_SUPPORTED: dict[type[Callback], str] = {
    StochasticWeightAveraging: (
        "it changes the length of the run and the schedule, and a run that goes on would end "
        "elsewhere; take WeightAveraging or EMAWeightAveraging"
    ),
    LearningRateFinder: (
        "it would search anew when the run goes on, and the configuration would not say what was "
        "found; give `model.optimizer.init_args.lr`, a short run with ExponentialLR tries a range "
        "(docs/lightning.md)"
    ),
    BatchSizeFinder: (
        "it would search anew when the run goes on, and changes the number of steps; give "
        "`data.init_args.batch_size`, a few steps by `--trainer.max_steps` show whether it fits"
    ),
    BaseFinetuning: (
        "it needs a module `backbone`, and after a resume its weights stay frozen; "
        "`model.encoder_lr_factor` gives the encoder a rate of its own, and 0 freezes it"
    ),
    GradientAccumulationScheduler: (
        "it changes the number of steps, by which schedules and losses know how far a run is; give "
        "`trainer.accumulate_grad_batches`, which may change when a run goes on (RESUME)"
    ),
    ModelPruning: (
        "it gives the weights other names, and no checkpoint fits then; prune the trained network"
    ),
    SpikeDetection: (
        "it cannot load its own state when a run goes on; `trainer.gradient_clip_val` bounds what "
        "a spike does, and a loss that is NaN or infinite ends the run without it"
    ),
}
"""Callbacks of Lightning that do not work here: why, and what to do instead."""


def check_callbacks(callbacks: Iterable[Callback]) -> None:
    """Refuse callbacks that would fail, or make a run that goes on end elsewhere."""
    for callback in callbacks:
        for cls, reason in _NOT_SUPPORTED.items():
            if isinstance(callback, cls):
                raise RunError(
                    f"`trainer.callbacks` cannot hold {type(callback).__name__}: {reason}"
                )


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
    if "://" in config.run_dir or config.run_dir.startswith(("file:", "local:")):
        raise RunError(
            f"`run_dir` must name a folder of this machine, got the address {config.run_dir!r}; "
            "copy the run there when it has ended"
        )
    trainer = config.trainer
    for key, least in _LEAST.items():
        if trainer[key] is not None and not trainer[key] >= least:  # NaN is not
            raise RunError(f"`trainer.{key}` must be at least {least}, got {trainer[key]}")
    for key in ("limit_train_batches", "max_epochs", "max_steps"):
        if trainer[key] == 0 and not config.ckpt_path:  # else `check_length` tells
            raise RunError(
                f"`trainer.{key}` cannot be {trainer[key]:g}: nothing would be trained; `validate` "
                "scores a run or checkpoint"
            )
    if trainer.val_check_interval == 0:
        raise RunError(
            "`trainer.val_check_interval` must be above 0, got 0; `trainer.limit_val_batches` 0 "
            "leaves validations out"
        )
    for key in ("max_time", "val_check_interval"):
        try:
            timedelta(**trainer[key] if isinstance(trainer[key], dict) else {})
        except (TypeError, OverflowError):
            raise RunError(
                f"`trainer.{key}` must be a time such as 00:00:30:00 (days to seconds) or "
                f"{{minutes: 30}}, got {trainer[key]}"
            ) from None
    for key, reason in _REFUSED.items():
        if given := trainer.get(key):
            shown = "true" if given is True else given
            raise RunError(f"`trainer.{key}` cannot be {shown}: {reason}")
    for key in ("class_counts", "class_names"):
        if (given := config.model.get(key)) is not None:
            raise RunError(f"`model.{key}` comes from the data, got {given}; leave it out")
    for key in ("optimizer", "lr_scheduler"):  # LightningCLI adds these options itself
        if config.get(key):
            raise RunError(f"`{key}` would replace the one of the model: give `model.{key}`")
    if str(trainer.profiler).lower() == "xla":
        raise RunError(
            "`trainer.profiler` cannot be xla: it opens a port for whoever connects; take simple, "
            "advanced or pytorch"
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
    """Check a strategy, which is given by its name, or by its class with options."""
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
