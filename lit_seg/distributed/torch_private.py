"""The private names of torch that have no public counterpart; nothing else here uses any."""

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts, OneCycleLR

PHASES = "_schedule_phases"
"""What a ``OneCycleLR`` derives from its length and options, in its state."""
STEP_COUNT, LAST_RATES = "_step_count", "_last_lr"
"""How often a scheduler has taken a step, and the learning rates that it set last, in its state."""
SCHEDULERS = "_schedulers"
"""The states of the schedulers that one is made of, in its state."""
COMPILED = "_orig_mod"
"""What ``torch.compile`` adds to the names of tensors."""


def scheduler_states(state: Mapping[str, Any]) -> list[Any]:
    """List the state of a scheduler, and those of the schedulers that it is made of."""
    return [state, *state.get(SCHEDULERS, [])]


def closed_form_rates(scheduler: Any) -> list[float] | None:
    """Compute the learning rates of a scheduler's step; None if they depend on earlier rates."""
    if isinstance(scheduler, OneCycleLR | CosineAnnealingWarmRestarts):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # advice to ask for the last rate
            return [float(rate) for rate in scheduler.get_lr()]
    closed_form = getattr(scheduler, "_get_closed_form_lr", None)
    return None if closed_form is None else list(closed_form())


@torch.no_grad()
def copy_all(into: list[Tensor], values: list[Tensor]) -> None:
    """Copy tensors of one dtype into others of the same shapes, by one call for a GPU."""
    torch._foreach_copy_(into, values)


def cpu_multiplies_bfloat16() -> bool:
    """Whether the processor has AMX or the bfloat16 part of AVX-512.

    ``torch.cpu.get_capabilities`` is newer than our bound.
    """
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
