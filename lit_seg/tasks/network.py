"""The segmentation network: a model of smp, and how it takes images of any size."""

from difflib import get_close_matches
from inspect import signature
from typing import Any

import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_seg.errors import RunError


def build_network(
    architecture: str, encoder: str, num_classes: int, options: dict[str, Any]
) -> nn.Module:
    """A randomly initialised model of segmentation_models_pytorch (smp).

    Raises:
        ValueError: for an unknown architecture, encoder or option, naming those that exist.
    """
    if ":" in encoder:  # timm would download and build the model that the address describes
        raise ValueError(f"`encoder` must be the name of one, not an address, got {encoder!r}")
    if encoder not in smp.encoders.encoders and not encoder.startswith(("tu-", "timm-")):
        near = get_close_matches(encoder, smp.encoders.get_encoder_names(), n=5, cutoff=0)
        raise ValueError(f"`encoder`: there is no {encoder!r}; close to it are {', '.join(near)}")
    own = smp.MODEL_ARCHITECTURES_MAPPING.get(architecture.lower())
    for name, value in (
        options if own else {}
    ).items():  # the others are the encoder's: timm's take files and URLs
        if name not in signature(own).parameters and not isinstance(value, int | float | None):
            raise ValueError(
                f"`options`: {name} is none of {own.__name__}, and the encoder is given numbers "
                f"only, got {value!r}; `init` starts from a file"
            )
    try:
        network: nn.Module = smp.create_model(
            architecture, encoder, encoder_weights=None, classes=num_classes, **options
        )
    except (AttributeError, KeyError, TypeError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"`model` cannot be built from architecture={architecture!r}, encoder={encoder!r}, "
            f"options={options}: {error}"
        ) from error
    return network


def size_multiple(network: nn.Module) -> int:
    """The number that the network's input height and width must be multiples of."""
    return int(getattr(getattr(network, "encoder", None), "output_stride", 32))


def padded_forward(
    network: nn.Module, image: Tensor, multiple: int, memory_format: torch.memory_format
) -> Tensor:
    """Logits of images of any size.

    Args:
        network: takes sizes that are multiples of ``multiple``.
        image: ``(N, 3, H, W)`` normalised, so that 0 is the mean colour.
        multiple: from :func:`size_multiple`.
        memory_format: the layout of the network's weights.

    Returns:
        ``(N, C, H, W)`` logits. The image is padded with the mean colour on the right and at the
        bottom, and the logits are cropped to its size.

    Raises:
        RunError: if the network cannot take images of this size.
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
            f"{type(network).__name__} cannot take {len(image)} images of {height}x{width}: "
            f"{error}. Change `data.init_args.height`, `width` or `batch_size`, or the model"
        ) from error
    return logits[:, :, :height, :width]
