"""Every kind of network exports, and its file gives its logits at sizes of all kinds."""

from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from lit_seg.export.deployed import DeployedNetwork
from lit_seg.export.formats import write_format
from lit_seg.export.parity import TOLERANCE, differences
from lit_seg.images.data_format import DataFormat
from lit_seg.images.open_and_save import Array
from lit_seg.inference.exported import load_exported, metadata_of
from lit_seg.inference.trained import TrainedNetwork
from lit_seg.models.build import build_network

CLASSES = 11
NETWORKS: dict[str, tuple[str, str | None, dict[str, Any]]] = {
    "unet": ("unet", "resnet18", {}),
    "deeplabv3": ("deeplabv3", "resnet18", {}),
    "deeplabv3plus": ("deeplabv3plus", "resnet18", {}),
    "segformer": ("segformer", "mit_b0", {}),
    "pat_unet": ("pat_unet", None, {}),
    "pat_unetplusplus": ("pat_unetplusplus", None, {}),
    "pat_attention_unet": ("pat_attention_unet", None, {}),
    "pat_segnet": ("segnet", None, {"variant": "pat"}),
    "recall_paper": ("recall_paper", "resnet18", {}),
}


def pictures(channels: int) -> list[Array]:
    """Two images that are as smooth as photographs."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 20, 26, channels), np.uint8)
    return [cv2.resize(image, (170, 130)) for image in noise]


def trained(
    architecture: str, encoder: str | None, options: dict[str, Any], channels: int = 3
) -> TrainedNetwork:
    """A network whose batch norm has seen the images, so that its logits are of ordinary size."""
    torch.manual_seed(0)
    network = build_network(architecture, encoder, CLASSES, options, channels).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain mean
    seen = torch.from_numpy(np.stack(pictures(channels))).movedim(-1, 1)
    with torch.no_grad():
        network((seen[:, :, :128, :160] - 120) / 60)
    palette = [(i, i, i) for i in range(CLASSES)]
    own = () if channels == 3 else ([120.0] * channels, [60.0] * channels)
    form = DataFormat("streets", palette, list(range(CLASSES)), 96, 128, "stretch", channels, *own)
    names = [f"class {i}" for i in range(CLASSES)]
    mean = torch.full((1, channels, 1, 1), 120.0)
    return TrainedNetwork(network, mean, mean / 2, names, [1] * CLASSES, form)


CASES = [
    *((name, 3, None) for name in NETWORKS),
    ("unet", 3, (96, 128)),
    ("unet", 4, None),
]


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["pt2", "onnx"])
@pytest.mark.parametrize(("name", "channels", "size"), CASES)
def test_the_file_gives_the_logits_of_the_network(
    name: str, channels: int, size: tuple[int, int] | None, format_: str, tmp_path: Path
) -> None:
    network = trained(*NETWORKS[name], channels)
    offset = torch.linspace(-1, 1, CLASSES)
    deployed = DeployedNetwork(network, offset, size)
    file = write_format(format_, deployed, tmp_path, metadata_of(network, tau=1.0))
    images = pictures(channels)
    exported = load_exported(file)
    found = differences(exported, partial(deployed.reference, network), images, file)
    assert list(found) == [(96, 128), (90, 130), (100, 100)]
    if name != "recall_paper":  # its logits are large without training
        assert max(found.values()) <= TOLERANCE
    image = torch.from_numpy(images[0][None, :37, :50]).movedim(-1, 1).contiguous()
    torch.testing.assert_close(
        exported(image), deployed.reference(network, image), atol=5e-4, rtol=0
    )
