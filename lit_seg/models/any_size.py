"""Lets a network take images of any size: it pads them, and crops the logits."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_seg.errors import RunError, plural


def size_multiple(network: nn.Module) -> int:
    """The number that the network's input height and width must be multiples of."""
    own = getattr(network, "size_multiple", None)  # of a network that is none of smp
    of_encoder = getattr(getattr(network, "encoder", None), "output_stride", 32)
    return int(of_encoder if own is None else own)


def padded_forward(
    network: nn.Module, image: Tensor, multiple: int, memory_format: torch.memory_format
) -> Tensor:
    """Compute logits of images of any size.

    Args:
        network: takes sizes that are multiples of ``multiple``.
        image: ``(N, channels, H, W)`` normalised, so that 0 is the mean colour.
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
