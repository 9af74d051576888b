"""What a run takes over from a checkpoint: whether it fits, and how its schedule goes on."""

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from lit_seg.distributed.torch_private import closed_form_rates
from lit_seg.errors import RunError

_HORIZON = ("total_iters", "T_max", "base_lrs", "power", "eta_min")


def check_fits(
    checkpoint: Mapping[str, Any], class_names: Sequence[str], own: Mapping[str, Tensor]
) -> None:
    """Refuse a checkpoint of other classes, another network or another loss.

    Args:
        checkpoint: of Lightning.
        class_names: of this run.
        own: its state dict.

    Raises:
        RunError: naming what differs.
    """
    names = checkpoint.get("hyper_parameters", {}).get("class_names")
    if names and list(names) != list(class_names):
        raise RunError(
            f"the checkpoint was trained on the classes {', '.join(names)}; the data has "
            f"{', '.join(class_names)}. Take the data it was trained on, or start a new run from "
            "its weights by INIT"
        )
    found = checkpoint["state_dict"]
    foreign = sorted(own.keys() ^ found.keys()) + [
        key for key in own.keys() & found.keys() if own[key].shape != found[key].shape
    ]
    if foreign:
        raise RunError(
            f"the checkpoint does not fit this network and loss: {foreign[0]} differs, the first "
            f"of {len(foreign)} tensors. RESUME and CKPT take the run's own model and loss; INIT "
            "takes what fits of any"
        )


def changed_options(checkpoint: Mapping[str, Any], hparams: Mapping[str, Any]) -> set[str]:
    """The options of the optimizer that the user changed since the checkpoint.

    All others go on as they were: a scheduler may move more of them than the rate.

    Raises:
        RunError: if the optimizer or the scheduler is another one, whose state would not fit.
    """
    before = checkpoint.get("hyper_parameters", {})
    for key in ("optimizer", "lr_scheduler"):
        was, now = _class_of(before.get(key)), _class_of(hparams.get(key))
        if key in before and was != now:
            raise RunError(
                f"`model.{key}` was {was} and is now {now}, which cannot go on from its state; "
                "start a new run from the weights by INIT"
            )
    old, new = (_options_of(params.get("optimizer")) for params in (before, hparams))
    return {key for key in new if key not in old or old[key] != new[key]}


def check_takes_steps(scheduler: Any, asked: Any) -> None:
    """Refuse a class of torch that takes the number of steps for something else.

    Raises:
        RunError: naming what it would become.
    """
    if _class_of(asked) != f"torch.optim.lr_scheduler.{type(scheduler).__name__}":
        return  # what a function of the user made
    second = list(inspect.signature(type(scheduler)).parameters)[1]
    if second not in ("total_iters", "T_max"):
        raise RunError(
            f"`model.lr_scheduler` {type(scheduler).__name__} would take the number of steps as "
            f"its `{second}`; PolynomialLR and CosineAnnealingLR fit, or a function of yours that "
            "makes it from the optimizer and the number of steps"
        )


def _class_of(asked: Any) -> Any:
    return asked.get("class_path") if isinstance(asked, Mapping) else asked


def _options_of(asked: Any) -> Mapping[str, Any]:
    return asked.get("init_args") or {} if isinstance(asked, Mapping) else {}


def forget_horizon(checkpoint: dict[str, Any]) -> None:
    """Let the schedulers keep the length and options that this run gave them."""
    for state in checkpoint.get("lr_schedulers", []):
        for key in _HORIZON:
            state.pop(key, None)


def put_on_schedule(scheduler: Any) -> None:
    """Set the rates that a scheduler has in closed form for the step it is at.

    Schedulers step from the last rate: one that had reached 0 would stay there when a run is made
    longer. A rate that is right but for its rounding stays as it is, to the last bit.
    """
    rates = closed_form_rates(scheduler)
    if rates is None:
        return
    for group, rate in zip(scheduler.optimizer.param_groups, rates, strict=True):
        if not math.isclose(group["lr"], rate, rel_tol=1e-6):
            group["lr"] = rate
