"""Builds the segmentation network, a model of smp, and lets it take images of any size."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from inspect import signature
from typing import Any

import segmentation_models_pytorch as smp
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_seg.errors import RunError, near, plural


def build_network(
    architecture: str, encoder: str, num_classes: int, options: dict[str, Any]
) -> nn.Module:
    """Build a randomly initialised model of segmentation_models_pytorch (smp).

    Raises:
        ValueError: for an unknown architecture, encoder or option, naming those that exist, and for
            an option that changes what goes into the network or what comes out.
    """
    if ":" in encoder:  # timm would download and build the model that the address describes
        raise ValueError(f"`encoder` must be the name of one, not an address, got {encoder!r}")
    if encoder not in smp.encoders.encoders and not encoder.startswith(("tu-", "timm-")):
        names = [*smp.encoders.encoders, *(f"tu-{name}" for name in timm.list_models())]
        meant = near(encoder, names, listed=False)
        raise ValueError(f"`encoder`: smp has no {encoder!r}, and timm no model of it{meant}")
    fixed: dict[str, Any] = {
        **{"in_channels": 3, "classes": num_classes, "activation": None, "aux_params": None},
        **{"encoder_name": encoder, "encoder_weights": None},
    }
    own = smp.MODEL_ARCHITECTURES_MAPPING.get(architecture.lower())
    if own is not None:
        _check_options(own, encoder, options, fixed)
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
    "in_channels": "images have the 3 channels of RGB",
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


def size_multiple(network: nn.Module) -> int:
    """The number that the network's input height and width must be multiples of."""
    return int(getattr(getattr(network, "encoder", None), "output_stride", 32))


def check_batch(batch: Any, keys: Sequence[str]) -> None:
    """Refuse a batch of another kind, such as the pairs that most datasets give.

    Raises:
        RunError: naming what is missing.
    """
    if not isinstance(batch, Mapping) or not set(keys) <= batch.keys():
        given = sorted(map(str, batch)) if isinstance(batch, Mapping) else type(batch).__name__
        raise RunError(
            f"a batch must be a dict with {', '.join(map(repr, keys))}, got {given}; "
            "`lit_seg.data.dataset.Sample` says what each holds"
        )


def check_images(image: Tensor) -> None:
    """Refuse what is no batch of RGB images in bytes.

    Floats in [0, 1] would all be taken for black, and one channel would be taken for three.

    Raises:
        RunError: naming the shape and type.
    """
    if not isinstance(image, Tensor):
        raise RunError(f"images must be a tensor, got {type(image).__name__}; {_IMAGES}")
    if image.ndim != 4 or image.shape[1] != 3 or image.dtype != torch.uint8:
        raise RunError(f"images cannot be {tuple(image.shape)} of {image.dtype}; {_IMAGES}")


_IMAGES = (
    "give (N, 3, H, W) torch.uint8, which is RGB from 0 to 255 and is normalised here: "
    "`image[None]` makes a batch of one, `image.movedim(-1, 1)` moves the channels of (N, H, W, 3),"
    " `(image * 255).round().byte()` is for floats in [0, 1]"
)


def padded_forward(
    network: nn.Module, image: Tensor, multiple: int, memory_format: torch.memory_format
) -> Tensor:
    """Compute logits of images of any size.

    Args:
        network: takes sizes that are multiples of ``multiple``.
        image: ``(N, 3, H, W)`` normalised, so that 0 is the mean colour.
        multiple: from :func:`size_multiple`.
        memory_format: the layout of the network's weights.

    Returns:
        ``(N, C, H, W)`` logits. The image is padded with the mean colour on the right and at the
        bottom, and the logits are cropped to its size.

    Raises:
        RunError: if the network cannot take images of this size, or gives logits of another.
    """
    height, width = image.shape[2:]
    bottom, right = -height % multiple, -width % multiple
    x = F.pad(image, (0, right, 0, bottom)) if bottom or right else image
    try:
        logits: Tensor = network(x.contiguous(memory_format=memory_format))
    except (AssertionError, ValueError, RuntimeError) as error:  # some architectures need more
        if isinstance(error, RuntimeError) and "size is too small" not in str(error):
            raise  # such as a lack of memory
        raise RunError(
            f"{type(network).__name__} cannot take {plural(len(image), 'image')} of "
            f"{height}x{width}: "
            f"{error}. Change `data.init_args.height`, `width` or `batch_size`, or the model"
        ) from error
    if logits.shape[2:] != x.shape[2:]:  # cut to the image they would be those of a corner of it
        raise RunError(
            f"{type(network).__name__} gives logits of {logits.shape[2]}x{logits.shape[3]} for "
            f"images of {x.shape[2]}x{x.shape[3]}; make `upsampling` of `model.options` "
            f"{x.shape[2] / logits.shape[2]:g} times what it is, so that the sizes agree"
        )
    return logits[:, :, :height, :width]
