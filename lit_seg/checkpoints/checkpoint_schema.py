"""Checks that a checkpoint holds what the checkpoint of a run must hold.

All fields are checked before any is loaded: Lightning would find a damaged field only after it has
loaded others.
"""

import math
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import torch
from packaging.version import InvalidVersion, Version
from torch import Tensor

from lit_seg.checkpoints.contradictions import CURRENT, STEP_START, contradiction
from lit_seg.data import DATASETS
from lit_seg.distributed.torch_private import LAST_RATES, SCHEDULERS, STEP_COUNT
from lit_seg.files.schema import (
    ANYTHING,
    COUNT,
    TEXT,
    Optional,
    Value,
    difference,
    is_number,
    parts,
)
from lit_seg.models.normalisation import NORMALISATION
from lit_seg.tasks.schedule import LIKE_THEIR_PARAMETER

_DEEPEST, _MOST = 50, 1_000_000
"""Levels and parts that no run's checkpoint reaches; one that contains itself has more."""

_FLAG = Value("true or false", lambda v: isinstance(v, bool))
_COUNT_OR_FLAG = Value("a whole number from 0", lambda v: _FLAG.fits(v) or COUNT.fits(v))
_NUMBER = Value("a number", lambda v: is_number(v) and not math.isnan(v))
_SCORE = Value(
    "a finite number or nothing",  # nothing is better than NaN or more than infinity
    lambda v: v is None or (is_number(v) and math.isfinite(v)),
)
_SWITCH = Value("true, false or nothing", lambda v: v is None or _FLAG.fits(v))
_LIMIT = Value("a whole number or nothing", lambda v: v is None or type(v) is int)
_AMOUNT = Value("a number from 0", lambda v: _is_amount(v))
_STEPS = Value("a whole number from 0", lambda v: _is_amount(v) and float(v).is_integer())
_AMOUNTS = Value(  # one of Adafactor's is missing by default
    "a number from 0, or several",
    lambda v: _AMOUNT.fits(v) or (isinstance(v, list | tuple) and any(map(_AMOUNT.fits, v))),
)
_BETAS = Value(
    "two numbers from 0 to below 1",
    lambda v: (
        isinstance(v, list | tuple) and len(v) == 2 and all(_AMOUNT.fits(b) and b < 1 for b in v)
    ),
)
_TENSOR = Value(
    "a dense tensor of real numbers",
    lambda v: (
        isinstance(v, Tensor)
        and v.layout == torch.strided
        and not (v.is_meta or v.is_complex() or v.is_quantized)
        # one number may stand for many, more than there is memory for
        and v.untyped_storage().nbytes() >= v.numel() * v.element_size()
    ),
)
_MOMENT = Value(
    "a dense tensor of finite fractions",  # one other makes the next weights NaN
    lambda v: _TENSOR.fits(v) and v.is_floating_point() and bool(v.isfinite().all()),
)
_SQUARES = Value(  # of large gradients they may be infinite
    "a dense tensor of fractions from 0",
    lambda v: _TENSOR.fits(v) and v.is_floating_point() and bool((v >= 0).all()),
)
_MOMENTUM = Value(_MOMENT.name, lambda v: v is None or _MOMENT.fits(v))
_NORMALISATION = Value(
    "a mean and a standard deviation of each channel",
    lambda v: (
        isinstance(v, Tensor)
        and v.ndim == 5
        and v.shape == (2, 1, v.shape[2], 1, 1)
        and bool(v.isfinite().all() and (v[1] > 0).all())
    ),
)
_LIGHTNING = Version(version("pytorch-lightning")).major
_VERSION = Value(
    f"a version {_LIGHTNING}",  # others have other loops
    lambda v: TEXT.fits(v) and _major(v) == _LIGHTNING,
)
_NAMES = Value(
    "a list of names",
    lambda v: v is None or (isinstance(v, list | tuple) and len(v) > 0 and all(map(TEXT.fits, v))),
)
_OBJECT = Value(
    "a class and its options",
    lambda v: (
        not isinstance(v, Mapping)
        or (isinstance(v.get("init_args"), Mapping | None) and _is_plain(v))
    ),
)

_COUNTS = {str: _COUNT_OR_FLAG}
_PROGRESS = {"total": _COUNTS, "current": _COUNTS}
_BATCHES = {**_PROGRESS, "is_last_batch": Optional(_FLAG)}
_MAPPING = {str: ANYTHING}
_FIT_LOOP = {
    str: _MAPPING,
    "epoch_progress": {**_PROGRESS, "current": {str: COUNT, "processed": COUNT}},
    "epoch_loop.state_dict": _MAPPING,
    "epoch_loop.batch_progress": _BATCHES,
    "epoch_loop.scheduler_progress": _PROGRESS,
    "epoch_loop.automatic_optimization.optim_progress": {
        "optimizer": {"step": _PROGRESS, "zero_grad": _PROGRESS}
    },
    "epoch_loop.manual_optimization.optim_step_progress": Optional(_PROGRESS),
    "epoch_loop.val_loop.batch_progress": _BATCHES,
}
_OF_PARAMETER: dict[Any, Any] = {
    str: ANYTHING,
    "step": Optional(_STEPS),
    **dict.fromkeys(LIKE_THEIR_PARAMETER, Optional(_SQUARES)),
    "exp_avg": Optional(_MOMENT),
    "momentum_buffer": Optional(_MOMENTUM),
}
_OF_GROUP: dict[Any, Any] = {
    str: ANYTHING,
    "lr": _AMOUNT,
    "params": [COUNT],
    "betas": Optional(_BETAS),
    "eps": Optional(_AMOUNTS),
    **dict.fromkeys(("momentum", "weight_decay"), Optional(_AMOUNT)),
    **dict.fromkeys(("amsgrad", "capturable", "differentiable", "maximize"), Optional(_FLAG)),
    **dict.fromkeys(("foreach", "fused"), Optional(_SWITCH)),
}
_CHECKPOINT: dict[Any, Any] = {
    "epoch": COUNT,
    "global_step": COUNT,
    "pytorch-lightning_version": _VERSION,
    "state_dict": {str: _TENSOR},
    "hyper_parameters": {
        str: ANYTHING,
        "class_names": Optional(_NAMES),
        "optimizer": Optional(_OBJECT),
        "lr_scheduler": Optional(_OBJECT),
        "encoder_lr_factor": Optional(Value("a number", is_number)),
    },
    "loops": {str: {str: _MAPPING, "batch_progress": _BATCHES}, "fit_loop": _FIT_LOOP},
    "optimizer_states": [{"state": {int: _OF_PARAMETER}, "param_groups": [_OF_GROUP]}],
    "lr_schedulers": [
        {
            str: ANYTHING,
            "last_epoch": COUNT,  # without it the schedule would begin anew
            STEP_COUNT: Optional(COUNT),
            **dict.fromkeys((LAST_RATES, "base_lrs"), Optional([_AMOUNT])),
            SCHEDULERS: Optional([_MAPPING]),
            "best": Optional(_NUMBER),
            **dict.fromkeys(("num_bad_epochs", "cooldown_counter"), Optional(COUNT)),
        }
    ],
    NORMALISATION: Optional(_NORMALISATION),
    "MixedPrecision": Optional({str: _AMOUNT}),
    **dict.fromkeys((CURRENT, STEP_START), Optional({str: _TENSOR})),
    "averaging_state": Optional({str: _TENSOR, "n_averaged": _STEPS}),
    "stopped_before": Optional([_LIMIT]),
    "callbacks": Optional({str: ANYTHING, "BestCheckpoint": Optional({"best_score": _SCORE})}),
    "position": Optional(
        {
            **dict.fromkeys(("epoch", "samples", "samples_before"), COUNT),
            "validation_due": _FLAG,
            "validations": Optional(COUNT),
        }
    ),
    # the hashes of the images and labels that the run began with
    **{cls.__name__: Optional({str: TEXT}) for cls in DATASETS.values()},
}


def damage_of(content: Mapping[Any, Any]) -> str:
    """Describe the first field of a checkpoint that is damaged; empty if none is."""
    for number, (name, part, depth) in enumerate(parts(content)):
        if depth > _DEEPEST or number > _MOST:
            return f"{name[:60]}... contains itself or has too many parts"
        if isinstance(part, Tensor) and (wrong := difference(part, _TENSOR, name)):
            return wrong
    return difference(content, _CHECKPOINT) or contradiction(content)


def _major(text: str) -> int | None:
    try:
        return Version(text).major
    except InvalidVersion:
        return None


def _is_amount(value: Any) -> bool:
    """Whether a value is a finite number from 0, or a tensor that holds one."""
    of_one = isinstance(value, Tensor) and value.numel() == 1 and _TENSOR.fits(value)
    return (is_number(value) or of_one) and bool(0 <= value < math.inf)


def _is_plain(value: Any) -> bool:
    """Whether a value holds no tensor, which could not be compared with an option."""
    return not any(isinstance(part, Tensor) for _, part, _ in parts(value))
