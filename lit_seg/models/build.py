"""Builds a network from its name, its encoder and its options."""

from typing import Any

from torch import nn

from lit_seg.models.smp_models import build_smp_model


def build_network(
    architecture: str, encoder: str, num_classes: int, options: dict[str, Any]
) -> nn.Module:
    """Build a randomly initialised network.

    Raises:
        ValueError: for an unknown architecture, encoder or option, naming those that exist, and for
            an option that changes what goes into the network or what comes out.
    """
    return build_smp_model(architecture, encoder, num_classes, options)
