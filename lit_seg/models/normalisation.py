"""Finds the mean and standard deviation of pixels that an encoder's published weights expect."""

import timm
import torch
from segmentation_models_pytorch.encoders import TimmUniversalEncoder, TimmViTEncoder
from torch import Tensor, nn

NORMALISATION = "pixel_mean_and_std"
"""The field of a checkpoint that holds how the network sees images. Checkpoints of older versions
do not have it; their runs used the statistics of ImageNet."""
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Mean and standard deviation of RGB in [0, 1]."""
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
# smp keeps these beside the weights on its hub, which a machine without network cannot ask
_OF_SMP = {
    "dpn": ((124 / 255, 117 / 255, 104 / 255), (1 / (0.0167 * 255),) * 3),
    "inception": _HALF,
    "timm-tf_efficientnet_lite": _HALF,
    "xception": _HALF,
}
"""Statistics by the beginning of the name of smp's own encoders; the others have ImageNet's."""


def published_statistics(network: nn.Module, encoder: str | None, weights: str | None) -> Tensor:
    """Find the ``(2, 3)`` mean and standard deviation of RGB that the encoder's weights expect.

    They are for RGB in [0, 1]. They do not depend on whether the encoder starts from these weights,
    from a file or from random ones, so that all runs with an encoder see images alike.

    Args:
        network: has this encoder.
        encoder: its name in smp; a network without an encoder has the statistics of ImageNet.
        weights: the name of its published weights, of which one kind has its own statistics.
    """
    if encoder is None:
        return torch.tensor(IMAGENET)
    own = network.encoder
    if isinstance(own, TimmUniversalEncoder | TimmViTEncoder):
        published = timm.get_pretrained_cfg(own.name)
        return torch.tensor((published.mean, published.std) if published else IMAGENET)
    if weights == "advprop":
        return torch.tensor(_HALF)
    return torch.tensor(next((v for k, v in _OF_SMP.items() if encoder.startswith(k)), IMAGENET))


def in_bytes(statistics: Tensor) -> Tensor:
    """Convert statistics to ``(2, 1, 3, 1, 1)``, for images ``(N, 3, H, W)`` from 0 to 255."""
    return as_planes(statistics.mul(255))


def as_planes(statistics: Tensor) -> Tensor:
    """Bring ``(2, channels)`` statistics into the shape of images, ``(2, 1, channels, 1, 1)``."""
    return statistics.view(2, 1, -1, 1, 1)
