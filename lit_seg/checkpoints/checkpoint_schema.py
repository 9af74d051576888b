"""What a checkpoint of a run holds, and what is wrong with one that holds something else.

All of it is looked at before anything is made of it: Lightning would find a damaged field after it
has loaded the others.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lit_seg.distributed.torch_private import LAST_RATES, STEP_COUNT
from lit_seg.tasks.normalisation import NORMALISATION


class _Value(NamedTuple):
    """A value without parts."""

    name: str
    fits: Callable[[Any], bool]


class _Optional(NamedTuple):
    """A field that may be missing."""

    kind: Any


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_COUNT = _Value("a whole number from 0", lambda v: type(v) is int and 0 <= v < 2**63)
_FLAG = _Value("true or false", lambda v: isinstance(v, bool))
_COUNT_OR_FLAG = _Value("a whole number from 0", lambda v: _FLAG.fits(v) or _COUNT.fits(v))
_NUMBER = _Value("a number", lambda v: _is_number(v) or isinstance(v, Tensor))
_SCORE = _Value("a number or nothing", lambda v: v is None or _is_number(v))
_TEXT = _Value("text", lambda v: isinstance(v, str))
_RATE = _Value("a number from 0", lambda v: isinstance(v, Tensor) or (_is_number(v) and v >= 0))
_TENSOR = _Value(
    "a dense tensor of real numbers",
    lambda v: (
        isinstance(v, Tensor)
        and v.layout == torch.strided
        and not (v.is_meta or v.is_complex() or v.is_quantized)
    ),
)
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
    lambda v: v is None or (isinstance(v, list | tuple) and all(map(_TEXT.fits, v))),
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
    "optimizer_states": [
        {
            "state": {int: {str: _ANYTHING, "step": _Optional(_NUMBER)}},
            "param_groups": [{str: _ANYTHING, "lr": _RATE, "params": [_COUNT]}],
        }
    ],
    "lr_schedulers": [
        {
            str: _ANYTHING,
            "last_epoch": _COUNT,  # without it the schedule would begin anew
            STEP_COUNT: _Optional(_COUNT),
            LAST_RATES: _Optional([_NUMBER]),
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
    """Whether the numbers of steps and epochs, which stand in several places, agree."""
    loop = content["loops"]["fit_loop"]
    steps = loop["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]["step"]["total"]
    epochs = loop["epoch_progress"]["current"]
    for name, counted in (
        ("global_step", steps.get("completed")),
        ("epoch", epochs.get("completed")),
    ):
        if content[name] != counted:
            return f"{name} is {content[name]}, and its counter {counted}"
    begun = content.get("position", {}).get("epoch", content["epoch"])
    if begun - content["epoch"] not in (0, 1):
        return f"position.epoch is {begun} and epoch {content['epoch']}"
    return ""


def _below(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else f"{key}"


def _shown(value: Any) -> str:
    text = repr(value) if not isinstance(value, Tensor) else f"a tensor of {tuple(value.shape)}"
    return text if len(text) <= 40 else f"a {type(value).__name__}"
