"""Builds a network from its name, its encoder and its options."""

from inspect import Parameter, signature
from typing import Any

import segmentation_models_pytorch as smp
from torch import nn

from lit_seg.errors import near
from lit_seg.models.pat_attention_unet import PatAttentionUNet
from lit_seg.models.pat_unet import PatUNet
from lit_seg.models.pat_unetplusplus import PatUNetPlusPlus
from lit_seg.models.recall_deeplab import BLOCKS, RecallDeepLab
from lit_seg.models.segnet import SegNet
from lit_seg.models.smp_models import build_smp_model

DEFAULT_ENCODER = "resnet18"

WITHOUT_ENCODER: dict[str, type[nn.Module]] = {
    "pat_unet": PatUNet,
    "pat_unetplusplus": PatUNetPlusPlus,
    "pat_attention_unet": PatAttentionUNet,
    "segnet": SegNet,
}
"""The networks of PAT's code. smp has a ``unet`` and a ``unetplusplus`` that are other networks."""
RECALL_PAPER = "recall_paper"


def build_network(
    architecture: str,
    encoder: str | None,
    num_classes: int,
    options: dict[str, Any],
    channels: int = 3,
) -> nn.Module:
    """Build a randomly initialised network, of smp or one of the two papers.

    Raises:
        ValueError: for an unknown architecture, encoder or option, naming those that exist, and for
            an option that changes what goes into the network or what comes out.
    """
    name = architecture.lower()
    known = [*smp.MODEL_ARCHITECTURES_MAPPING, *WITHOUT_ENCODER, RECALL_PAPER]
    if name not in known:
        there = near(name, known)
        raise ValueError(f"`architecture`: there is no network {architecture!r}{there}")
    if name in WITHOUT_ENCODER:
        if encoder not in (None, DEFAULT_ENCODER):
            raise ValueError(f"`encoder`: {name} has none to choose, got {encoder!r}; leave it out")
        own = WITHOUT_ENCODER[name]
        _check_options(name, own, options)
        return own(num_classes, channels, **options)
    if encoder is None:
        raise ValueError(f"`encoder`: {name} needs one, such as {DEFAULT_ENCODER!r}, got None")
    if name == RECALL_PAPER:
        if encoder not in BLOCKS:
            raise ValueError(f"`encoder`: {name} has no {encoder!r}{near(encoder, BLOCKS)}")
        _check_options(name, RecallDeepLab, options)
        return RecallDeepLab(num_classes, channels, encoder)
    return build_smp_model(name, encoder, num_classes, options, channels)


def _check_options(name: str, own: type[nn.Module], options: dict[str, Any]) -> None:
    parameters = signature(own).parameters.values()
    known = [each.name for each in parameters if each.kind is Parameter.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            there = near(option, known) if known else "; it has none"
            raise ValueError(f"`options`: {name} has no {option!r}{there}")
