"""Options that Lightning accepts and then fails on, or that would bypass what is ours."""

from typing import Any

from lit_seg.errors import RunError

_HARDWARE = ("accelerator", "devices", "num_nodes", "strategy", "precision")
_OTHER_STRATEGIES = (
    *("ddp_spawn", "ddp_fork", "ddp_notebook"),
    *("fsdp", "deepspeed", "model_parallel", "xla"),
)


def check_options(config: Any) -> None:
    """Look at the options of a command before anything is made of them.

    Raises:
        RunError: naming the option, its value and the way out.
    """
    for key in ("accumulate_grad_batches", "check_val_every_n_epoch"):
        value = config.trainer[key]
        if value is not None and value < 1:
            raise RunError(f"`trainer.{key}` must be at least 1, got {value}")
    if value := config.trainer.overfit_batches:
        raise RunError(
            f"`trainer.overfit_batches` cannot be {value}: it replaces our sampler; "
            "`trainer.limit_train_batches` takes a part of the images"
        )
    for key in ("optimizer", "lr_scheduler"):  # LightningCLI adds them
        if config.get(key):
            raise RunError(f"`{key}` would replace the one of the model: give `model.{key}`")
    if config.trainer.barebones:
        raise RunError("`trainer.barebones` cannot be true: a run writes its numbers and files")
    strategy = config.trainer.strategy
    if isinstance(strategy, str) and strategy.startswith(_OTHER_STRATEGIES):
        raise RunError(
            f"`trainer.strategy` cannot be {strategy}: ranks that hold a part of the weights or "
            "are forked are not supported; take `ddp`"
        )
    if config.weights_only is False:
        raise RunError("`weights_only: false` lets a checkpoint run its code; leave it out")


def trainer_error(error: Exception, config: Any) -> RunError:
    """What Lightning says of a trainer that it cannot make, with the options that it is about."""
    message = str(error).rstrip("!.")
    if not any(word in message for word in ("backend", "not met", *_HARDWARE)):
        return RunError(str(error))
    given = ", ".join(f"{key} {config.trainer[key]}" for key in _HARDWARE)
    return RunError(
        f"`trainer` cannot have {given} here: {message}. Left out, these options take what there is"
    )
