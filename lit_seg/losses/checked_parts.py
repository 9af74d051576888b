"""Refuses parts of a mean over pixels that are wrong, such as those of a loss of your own.

What is checked in each step are types and shapes: no GPU is waited for.
"""

from collections.abc import Sequence
from numbers import Real

import torch
from torch import Tensor

from lit_seg.losses.base import in_range
from lit_seg.ops import Modulation


def check_class_weight(name: str, given: Tensor | Sequence[float], num_classes: int) -> Tensor:
    """The ``(C,)`` weights that were given.

    Raises:
        ValueError: if there is not one real number per class, or (on the CPU) one is negative, NaN
            or infinite.
    """
    try:
        weight = torch.as_tensor(given)
    except (TypeError, ValueError, RuntimeError):
        weight = torch.tensor(torch.nan)
    if weight.shape != (num_classes,) or weight.is_complex():
        raise ValueError(
            f"`{name}` must hold {num_classes} numbers, one per class, got {_told(given)}"
        )
    fits = (weight >= 0) & weight.isfinite()
    if weight.device.type == "cpu" and not fits.all():
        raise ValueError(f"`{name}` must be finite numbers >= 0, got {weight[~fits].tolist()}")
    return weight


def check_scale(scale: object) -> None:
    """Refuse a scale that is no number, or one to be learned."""
    if not isinstance(scale, Tensor):
        in_range("scale", scale, "[1e-6, 1e6]")
    elif scale.requires_grad:
        raise ValueError(
            f"`scale` must be a number, got {_told(scale)} to be learned, for which the pass has "
            "no gradient; let the network multiply its logits by it"
        )


def check_modulation(modulation: object) -> None:
    """Refuse what is neither a modulation nor None."""
    if not isinstance(modulation, Modulation | None):
        raise ValueError(
            "`modulation` must be a property that is a `lit_seg.ops.Modulation`, such as "
            f"`Modulation(power=2.0)`, or None, got {_told(modulation)}"
        )


def check_weighed(given: object, *shapes: tuple[int, ...]) -> tuple[Tensor | None, Tensor]:
    """The class weights, of one of these shapes, and the divisor that ``weigh`` has given."""
    pair = given if isinstance(given, tuple) else (given,)
    if len(pair) == 2:
        weight, norm = pair
        fits = weight is None or (
            isinstance(weight, Tensor) and weight.shape in shapes and not weight.is_complex()
        )
        if fits and isinstance(norm, Real):
            return weight, torch.tensor(float(norm))
        if fits and isinstance(norm, Tensor) and norm.numel() == 1:
            return weight, norm
    raise ValueError(
        f"`weigh` must return class weights, a tensor of the shape {' or '.join(map(str, shapes))} "
        f"or None for 1, and one number to divide by, got {' and '.join(map(_told, pair))}"
    )


def _told(value: object) -> str:
    if isinstance(value, Tensor):
        return f"the shape {tuple(value.shape)} of {value.dtype}"
    return repr(value)
