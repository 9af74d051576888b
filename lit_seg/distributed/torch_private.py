"""The private names of torch that have no public counterpart; nothing else here uses any."""

from typing import Any

import torch


def closed_form_rates(scheduler: Any) -> list[float] | None:
    """The learning rates of the step a scheduler is at; None where it has no closed form."""
    closed_form = getattr(scheduler, "_get_closed_form_lr", None)
    return None if closed_form is None else list(closed_form())


def cpu_has_amx() -> bool:
    """Whether the processor has AMX. ``torch.cpu.get_capabilities`` is newer than our bound."""
    return bool(torch.cpu._is_amx_tile_supported())
