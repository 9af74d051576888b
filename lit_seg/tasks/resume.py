"""What a run takes over from a checkpoint: whether it fits, and how its schedule goes on."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

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
    closed_form = getattr(scheduler, "_get_closed_form_lr", None)
    if closed_form is None:
        return
    for group, rate in zip(scheduler.optimizer.param_groups, closed_form(), strict=True):
        if not math.isclose(group["lr"], rate, rel_tol=1e-6):
            group["lr"] = rate
