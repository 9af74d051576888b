"""Lets a network take images of any size: it pads them, and crops the logits."""

import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_seg.errors import RunError, plural
from lit_seg.models.low_resolution import last_upsampling, small_logits
from lit_seg.models.resized_logits import Logits, Resizing


def size_multiple(network: nn.Module) -> int:
    """The number that the network's input height and width must be multiples of."""
    own = getattr(network, "size_multiple", None)  # of a network that is none of smp
    of_encoder = getattr(getattr(network, "encoder", None), "output_stride", 32)
    if isinstance(network, smp.DPT):  # which halves the resolution of the encoder, and doubles it
        of_encoder *= 2
    return int(of_encoder if own is None else own)


def padded_forward(
    network: nn.Module,
    image: Tensor,
    multiple: int,
    memory_format: torch.memory_format,
    fused: bool = True,
) -> Logits:
    """Compute logits of images of any size.

    Args:
        network: takes sizes that are multiples of ``multiple``.
        image: ``(N, channels, H, W)`` normalised, so that 0 is the mean colour.
        multiple: from :func:`size_multiple`.
        memory_format: the layout of the network's weights.
        fused: whether the upsampling that ends the network is left to who takes the logits.

    Returns:
        Logits that become ``(N, C, H, W)``. The image is padded with the mean colour on the right
        and at the bottom, and the logits are cropped to its size.

    Raises:
        RunError: if the network cannot take images of this size, or gives logits of another.
    """
    height, width = image.shape[2:]
    bottom, right = -height % multiple, -width % multiple
    x = F.pad(image, (0, right, 0, bottom)) if bottom or right else image
    padded = height + bottom, width + right
    upsampling = last_upsampling(network) if fused else None
    try:
        x = x.contiguous(memory_format=memory_format)
        logits: Tensor = small_logits(network, x) if upsampling else network(x)
    except (AssertionError, ValueError, RuntimeError) as error:  # some architectures need more
        if isinstance(error, RuntimeError) and "size is too small" not in str(error):
            raise  # such as a lack of memory
        why = str(error).rstrip(".")
        raise RunError(
            f"{type(network).__name__} cannot take {plural(len(image), 'image')} of "
            f"{height}x{width}: {why}. Change `data.init_args.height`, `width` or `batch_size`, "
            "or the model"
        ) from error
    own = upsampling.result(logits, padded) if upsampling else tuple(logits.shape[2:])
    if own != padded:  # cut to the image they would be those of a corner of it
        raise RunError(
            f"{type(network).__name__} gives logits of {own[0]}x{own[1]} for "
            f"images of {padded[0]}x{padded[1]}; make `upsampling` of `model.options` "
            f"{padded[0] / own[0]:g} times what it is, so that the sizes agree"
        )
    if upsampling is None:
        return Logits(logits).cropped((height, width))
    return Logits(logits, (Resizing(padded, (height, width), upsampling.align_corners),))
