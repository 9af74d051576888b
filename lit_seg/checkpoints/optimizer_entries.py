"""Checks that the state of a resumed optimizer is whole."""

from torch.nn import Module
from torch.optim import Optimizer

from lit_seg.errors import RunError


def check_entries(optimizer: Optimizer, module: Module) -> None:
    """Refuse a parameter that is about to change and lacks an entry that others of its kind have.

    torch would begin anew for it in silence, or fail. Before a step this cannot be told: a
    parameter without a gradient has no entries.
    """
    names = {parameter: name for name, parameter in module.named_parameters()}
    changing = [
        p for group in optimizer.param_groups for p in group["params"] if p.grad is not None
    ]
    for parameter in changing:
        alike = (p for p in changing if (p.ndim > 1) == (parameter.ndim > 1))  # Adafactor's differ
        missing = {key for p in alike for key in optimizer.state.get(p, ())}
        missing -= {*optimizer.state.get(parameter, ())}
        if missing:
            raise RunError(
                "the checkpoint's state of the optimizer does not fit: that of "
                f"{names[parameter]} lacks {min(missing)}; resume from another checkpoint of the "
                "run, or start a new run from its weights by INIT"
            )
