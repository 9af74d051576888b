"""Class weights that a user gives, by name or as a list."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lit_seg.errors import near


def own_weights(given: Mapping[str, float] | Sequence[float], names: Sequence[str]) -> Tensor:
    """``(C,)`` float64 weights of the classes with these names.

    Args:
        given: weights by class, 1 for the others; or one for each class, in their order.
        names: of the classes.

    Raises:
        ValueError: for another number of weights, an unknown class, and a weight that is negative,
            NaN or infinite, or if all are 0; naming it.
    """
    if isinstance(given, Mapping):
        given = {str(name): weight for name, weight in given.items()}  # YAML reads 1 as a number
        for name in given:
            if name not in names:
                raise ValueError(f"`class_weights`: there is no class {name!r}{near(name, names)}")
        given = [given.get(name, 1.0) for name in names]
    if len(given) != len(names):
        raise ValueError(
            f"`class_weights` must hold {len(names)} numbers, one per class ({', '.join(names)}), "
            f"got {len(given)}; a class and its weight, as in `{{{names[-1]}: 4}}`, leaves the "
            "others at 1"
        )
    weight = torch.tensor(list(given), dtype=torch.float64)
    fits = (weight >= 0) & weight.isfinite()
    for name, value, fit in zip(names, weight.tolist(), fits.tolist(), strict=True):
        if not fit:
            raise ValueError(f"`class_weights` of {name} must be a finite number >= 0, got {value}")
    if not weight.any():
        raise ValueError("`class_weights` are all 0, so that nothing is learned; give one above 0")
    return weight
