"""The ResNets of torchvision, such as ResNet-50 for iNaturalist and ResNet-152 for Places-LT."""

import torchvision
from torch import nn

from lit_seg.classification.networks.backbone import Backbone
from lit_seg.errors import check_choice

RESNETS = tuple(sorted(n for n in torchvision.models.list_models() if n.startswith("resnet")))
"""The names of the networks."""


def torchvision_resnet(
    name: str = "resnet50",
    weights: str | None = None,
    new_last_block: bool = False,
    neck_dim: int | None = None,
) -> Backbone:
    """A ResNet of torchvision without its classifier, divided before its last residual block.

    Args:
        name: such as ``resnet50`` or ``resnet152``.
        weights: name of published weights, such as ``IMAGENET1K_V1``, which are downloaded.
        new_last_block: whether the last block starts from random weights, as MiSLAS trains on
            Places-LT.
        neck_dim: as in :class:`Backbone`.

    Raises:
        ValueError: if torchvision has no such network or weights.
    """
    check_choice("name", name, RESNETS)
    if weights is not None:
        there = torchvision.models.get_model_weights(name).__members__
        check_choice("weights", weights, tuple(there))
    net = torchvision.models.get_model(name, weights=weights)
    *first, last = net.layer4
    if new_last_block:
        for module in last.modules():
            if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
                module.reset_parameters()
            if isinstance(module, nn.Conv2d):  # as torchvision starts it
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    stem = (net.conv1, net.bn1, net.relu, net.maxpool)
    trunk = nn.Sequential(*stem, net.layer1, net.layer2, net.layer3, *first)
    return Backbone(trunk, last, net.fc.in_features, neck_dim)
