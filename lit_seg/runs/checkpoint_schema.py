"""What a checkpoint of a run holds, and what is wrong with one that holds something else.

All of it is looked at before anything is made of it: Lightning would find a damaged field after it
has loaded the others.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

NORMALISATION = "pixel_mean_and_std"
"""The field of a checkpoint that holds how the network sees images; versions before had none."""

LIKE_THEIR_PARAMETER = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg")
"""What optimizers of torch keep in the shape of a parameter."""


class _Value(NamedTuple):
    """A value without parts."""

    name: str
    fits: Callable[[Any], bool]


class _Optional(NamedTuple):
    """A field that may be missing."""

    kind: Any


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_amount(value: Any) -> bool:
    of_one = isinstance(value, Tensor) and value.numel() == 1 and _TENSOR.fits(value)
    return (_is_number(value) or of_one) and bool(0 <= value < math.inf)


_COUNT = _Value("a whole number from 0", lambda v: type(v) is int and 0 <= v < 2**63)
_FLAG = _Value("true or false", lambda v: isinstance(v, bool))
_COUNT_OR_FLAG = _Value("a whole number from 0", lambda v: _FLAG.fits(v) or _COUNT.fits(v))
_NUMBER = _Value("a number", lambda v: _is_number(v) or isinstance(v, Tensor))
_NUMBERS = _Value(  # one of Adafactor's is missing by default
    "a number or several",
    lambda v: _NUMBER.fits(v) or (isinstance(v, list | tuple) and any(map(_NUMBER.fits, v))),
)
_SCORE = _Value("a number or nothing", lambda v: v is None or _is_number(v))
_TEXT = _Value("text", lambda v: isinstance(v, str))
_AMOUNT = _Value("a number from 0", lambda v: _is_amount(v))
_BETAS = _Value(
    "two numbers from 0 to below 1",
    lambda v: (
        isinstance(v, list | tuple) and len(v) == 2 and all(_AMOUNT.fits(b) and b < 1 for b in v)
    ),
)
_TENSOR = _Value(
    "a dense tensor of real numbers",
    lambda v: (
        isinstance(v, Tensor)
        and v.layout == torch.strided
        and not (v.is_meta or v.is_complex() or v.is_quantized)
    ),
)
_STATE = _Value("a dense tensor of real numbers", lambda v: v is None or _TENSOR.fits(v))
_NORMALISATION = _Value(
    "a mean and a standard deviation of three channels",
    lambda v: isinstance(v, Tensor) and v.shape == (2, 1, 3, 1, 1),
)
_ANYTHING = _Value("anything", lambda v: True)
_VERSION = _Value(
    "a version", lambda v: _TEXT.fits(v) and bool(re.fullmatch(r"\d+(\.\w+)*(\+[\w.]+)?", v))
)
_NAMES = _Value(
    "a list of names",
    lambda v: v is None or (isinstance(v, list | tuple) and len(v) > 0 and all(map(_TEXT.fits, v))),
)
_OBJECT = _Value(
    "a class and its options",
    lambda v: not isinstance(v, Mapping) or isinstance(v.get("init_args"), Mapping | None),
)

_COUNTS = {str: _COUNT_OR_FLAG}
_PROGRESS = {"total": _COUNTS, "current": _COUNTS}
_BATCHES = {**_PROGRESS, "is_last_batch": _Optional(_FLAG)}
_MAPPING = {str: _ANYTHING}
_FIT_LOOP = {
    str: _MAPPING,
    "epoch_progress": {**_PROGRESS, "current": {str: _COUNT, "processed": _COUNT}},
    "epoch_loop.state_dict": _MAPPING,
    "epoch_loop.batch_progress": _BATCHES,
    "epoch_loop.scheduler_progress": _PROGRESS,
    "epoch_loop.automatic_optimization.optim_progress": {
        "optimizer": {"step": _PROGRESS, "zero_grad": _PROGRESS}
    },
    "epoch_loop.val_loop.batch_progress": _BATCHES,
}
_OF_PARAMETER: dict[Any, Any] = {
    str: _ANYTHING,
    "step": _Optional(_AMOUNT),
    **dict.fromkeys(LIKE_THEIR_PARAMETER, _Optional(_STATE)),
}
_OF_GROUP: dict[Any, Any] = {
    str: _ANYTHING,
    "lr": _AMOUNT,
    "params": [_COUNT],
    "betas": _Optional(_BETAS),
    "eps": _Optional(_NUMBERS),
    **dict.fromkeys(("momentum", "weight_decay"), _Optional(_AMOUNT)),
}
_CHECKPOINT = {
    "epoch": _COUNT,
    "global_step": _COUNT,
    "pytorch-lightning_version": _VERSION,
    "state_dict": {str: _TENSOR},
    "hyper_parameters": {
        str: _ANYTHING,
        "class_names": _Optional(_NAMES),
        "optimizer": _Optional(_OBJECT),
        "lr_scheduler": _Optional(_OBJECT),
    },
    "loops": {str: {str: _MAPPING, "batch_progress": _BATCHES}, "fit_loop": _FIT_LOOP},
    "optimizer_states": [{"state": {int: _OF_PARAMETER}, "param_groups": [_OF_GROUP]}],
    "lr_schedulers": [
        {
            str: _ANYTHING,
            "last_epoch": _COUNT,  # without it the schedule would begin anew
            "_step_count": _Optional(_COUNT),
            "_last_lr": _Optional([_NUMBER]),
            "base_lrs": _Optional([_NUMBER]),
        }
    ],
    NORMALISATION: _Optional(_NORMALISATION),
    "MixedPrecision": _Optional({str: _NUMBER}),
    "callbacks": _Optional({str: _ANYTHING, "BestCheckpoint": _Optional({"best_score": _SCORE})}),
    "position": _Optional(
        {"epoch": _COUNT, "samples": _COUNT, "samples_before": _COUNT, "validation_due": _FLAG}
    ),
}


def damage_of(content: Mapping[Any, Any]) -> str:
    """The first field of a checkpoint that is not what it should be; empty if all are."""
    return _damage(content, _CHECKPOINT, "") or _contradiction(content)


def _damage(found: Any, kind: Any, name: str) -> str:
    """What is wrong with a value and its parts.

    A kind is a mapping of names to kinds, in which a type stands for all other names; a list of the
    kind of all items; or a value.
    """
    if isinstance(kind, _Value):
        return "" if kind.fits(found) else f"{name} is {_shown(found)}, not {kind.name}"
    if isinstance(kind, list):
        if not isinstance(found, list | tuple):
            return f"{name} is {_shown(found)}, not a list"
        parts = [(item, kind[0], f"{name}[{i}]") for i, item in enumerate(found)]
    else:
        if not isinstance(found, Mapping):
            return f"{name} is {_shown(found)}, not a mapping"
        others = next((key for key in kind if isinstance(key, type)), None)
        parts = []
        for key, inner in kind.items():
            if key not in found and key is not others and not isinstance(inner, _Optional):
                return f"{_below(name, key)} is missing"
        for key, value in found.items():
            if key in kind:
                inner = kind[key].kind if isinstance(kind[key], _Optional) else kind[key]
            elif others is None:
                continue
            elif type(key) is not others:
                return f"{_below(name, key)} has a name that is no {others.__name__}"
            else:
                inner = kind[others]
            parts.append((value, inner, _below(name, key)))
    return next(filter(None, (_damage(*part) for part in parts)), "")


def _contradiction(content: Mapping[str, Any]) -> str:
    """Whether what stands in several places agrees, such as the number of steps."""
    loop = content["loops"]["fit_loop"]
    steps = loop["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]["step"]["total"]
    epochs = loop["epoch_progress"]["current"]
    for name, counted in (
        ("global_step", steps.get("completed")),
        ("epoch", epochs.get("completed")),
    ):
        if content[name] != counted:
            return f"{name} is {content[name]}, and its counter {counted}"
    for i, schedule in enumerate(content["lr_schedulers"]):
        counted = schedule["last_epoch"]
        if counted > content["global_step"] or (
            _steps_each_time(content["hyper_parameters"]) and counted < content["global_step"]
        ):
            return f"lr_schedulers[{i}].last_epoch is {counted} after step {content['global_step']}"
    if len(content["optimizer_states"]) != 1:
        return f"optimizer_states has {len(content['optimizer_states'])} items, not 1"
    if not content["optimizer_states"][0]["param_groups"]:
        return "optimizer_states[0].param_groups has no item"
    begun = content.get("position", {}).get("epoch", content["epoch"])
    if begun - content["epoch"] not in (0, 1):
        return f"position.epoch is {begun} and epoch {content['epoch']}"
    return ""


def _steps_each_time(options: Mapping[str, Any]) -> bool:
    """Whether the schedule takes a step with each of the optimizer, as far as its name says so."""
    given = options.get("lr_scheduler")
    name = str(given.get("class_path", "")) if isinstance(given, Mapping) else ""
    of_torch = name.startswith("torch.") and not name.endswith((".ReduceLROnPlateau", "Scheduler"))
    return of_torch and options.get("lr_interval", "step") == "step"


def _below(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else f"{key}"


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, Tensor) else f"a tensor of {tuple(value.shape)}"
    return text if len(text) <= 40 else f"a {type(value).__name__}"
