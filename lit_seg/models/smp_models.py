"""Builds models of segmentation_models_pytorch (smp), and refuses options that it would ignore."""

import re
from difflib import get_close_matches
from inspect import signature
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
from torch import nn

from lit_seg.errors import near


def build_smp_model(
    architecture: str, encoder: str, num_classes: int, options: dict[str, Any], channels: int
) -> nn.Module:
    """Build a randomly initialised model of smp.

    Raises:
        ValueError: for an unknown encoder or option, naming those that exist, and for an option
            that changes what goes into the network or what comes out.
    """
    if ":" in encoder:  # timm would download and build the model that the address describes
        raise ValueError(f"`encoder` must be the name of one, not an address, got {encoder!r}")
    if encoder not in smp.encoders.encoders and not encoder.startswith(("tu-", "timm-")):
        names = [*smp.encoders.encoders, *(f"tu-{name}" for name in timm.list_models())]
        meant = near(encoder, names, listed=False)
        raise ValueError(f"`encoder`: smp has no {encoder!r}, and timm no model of it{meant}")
    fixed: dict[str, Any] = {
        **{"in_channels": channels, "classes": num_classes, "activation": None, "aux_params": None},
        **{"encoder_name": encoder, "encoder_weights": None},
    }
    _check_options(smp.MODEL_ARCHITECTURES_MAPPING[architecture], encoder, options, fixed)
    try:
        network: nn.Module = smp.create_model(architecture, **{**options, **fixed})
    except Exception as error:  # whatever smp, timm and torch raise for what they are given
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"`model` cannot be built from architecture={architecture!r}, encoder={encoder!r}, "
            f"options={options}: {reason}{_options_of_timm(error, encoder)}"
        ) from error
    return network


_FIXED = {
    "in_channels": "the network has those of the data",
    "classes": "the network has those of the data",
    "activation": "losses and scores take logits",
    "aux_params": "there is no loss for a second output",
    "encoder_name": "`encoder` names it",
    "encoder_weights": "`weights` names them",
}
"""The arguments of smp that no option may change, and why."""


def _check_options(
    own: type[nn.Module], encoder: str, options: dict[str, Any], fixed: dict[str, Any]
) -> None:
    """Refuse what smp accepts silently: other inputs or outputs, and names it does not know."""
    # what the model does not take itself goes to the encoder, and smp's encoders ignore all but one
    known = [*(name for name in signature(own).parameters if name != "kwargs"), "output_stride"]
    of_timm = encoder not in smp.encoders.encoders
    for name, value in options.items():
        if name in fixed and value != fixed[name]:
            raise ValueError(f"`options`: {name} cannot be {value!r}: {_FIXED[name]}; leave it out")
        if name in known:
            continue
        if not of_timm or get_close_matches(name, known, cutoff=0.85):
            there = near(name, [each for each in known if each not in _FIXED])
            raise ValueError(f"`options`: {own.__name__} has no {name!r} with {encoder}{there}")
        if not isinstance(value, int | float | None):  # timm's take files and URLs
            raise ValueError(
                f"`options`: {name} is none of {own.__name__}, and the encoder is given numbers "
                f"only, got {value!r}; `init` starts from a file"
            )


def _options_of_timm(error: Exception, encoder: str) -> str:
    """Write a hint if the encoder refused an option by its name."""
    wrong = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    name = encoder.removeprefix("tu-")
    if not wrong or not timm.is_model(name):
        return ""
    with torch.device("meta"):
        known = signature(type(timm.create_model(name))).parameters
    return near(wrong[1], known)
