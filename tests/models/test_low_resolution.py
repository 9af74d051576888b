"""Logits before the last upsampling of a network: the same results from them, and when they are."""

import pytest
import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import nn

from lit_seg.inference.views import predicted
from lit_seg.models.any_size import padded_forward, size_multiple
from lit_seg.models.build import RECALL_PAPER, WITHOUT_ENCODER, build_network
from lit_seg.models.low_resolution import last_upsampling
from lit_seg.models.resized_logits import Logits, Resizing

STRIDES = {
    **{"fpn": 4, "pspnet": 8, "deeplabv3": 8, "deeplabv3plus": 4, "pan": 4, "upernet": 4},
    **{"segformer": 4, "dpt": 2, RECALL_PAPER: 4},
}
"""Of the networks that end with an upsampling."""


def test_every_network_is_looked_at() -> None:
    """A new one must be put into the table above, or be found to have logits of full size."""
    known = {*smp.MODEL_ARCHITECTURES_MAPPING, RECALL_PAPER}
    assert known == {*STRIDES, "unet", "unetplusplus", "manet", "linknet"}
    assert not known & set(WITHOUT_ENCODER)
    with torch.device("meta"):
        for name in known - {*STRIDES}:
            assert last_upsampling(build_network(name, "resnet18", 2, {})) is None
        for name, own in WITHOUT_ENCODER.items():
            assert last_upsampling(own(2, 3)) is None, name


@pytest.mark.parametrize("name", STRIDES)
def test_small_logits_become_those_of_the_network(name: str) -> None:
    network = vision_transformer() if name == "dpt" else build_network(name, "resnet18", 3, {})
    names = list(network.eval().state_dict())
    of_image = torch.randn(1, 3, 122, 125), size_multiple(network), torch.channels_last
    with torch.no_grad():
        logits = padded_forward(network, *of_image)
        want = padded_forward(network, *of_image, fused=False)
    (resizing,) = logits.resizings
    assert logits.small.shape[2:] == tuple(-(-side // STRIDES[name]) for side in resizing.size)
    assert want.resizings == ()
    assert torch.equal(logits.whole(), want.small)
    assert want.small.shape == (1, 3, 122, 125)
    assert list(network.state_dict()) == names


LOGITS = [
    Logits(torch.randn(2, 5, 6, 7).mul(3).round().div(3)),  # with ties
    Logits(torch.randn(2, 5, 6, 7), (Resizing((24, 28), (22, 27), True),)),
    Logits(torch.randint(3, (2, 5, 6, 7)).float(), (Resizing((24, 28), (22, 27), False),)),
    Logits(torch.randn(2, 5, 6, 7), (Resizing((24, 28), (22, 20), True),)).resized((41, 39)),
]


@pytest.mark.parametrize("logits", LOGITS)
def test_labels_are_those_of_the_whole(logits: Logits) -> None:
    whole = logits.small
    for resizing in logits.resizings:
        whole = F.interpolate(
            whole, resizing.size, mode="bilinear", align_corners=resizing.align_corners
        )[..., : resizing.kept[0], : resizing.kept[1]]
    assert torch.equal(logits.whole(), whole)
    assert logits.size == whole.shape[2:]
    assert torch.equal(predicted(logits), whole.argmax(1))
    assert torch.equal(torch.cat([predicted(each) for each in logits.images()]), whole.argmax(1))


def test_a_part_of_the_result_is_kept() -> None:
    for logits in LOGITS:
        assert torch.equal(logits.cropped((3, 4)).whole(), logits.whole()[..., :3, :4])
    assert LOGITS[0].resized((6, 7)) is LOGITS[0]


@pytest.mark.parametrize(
    ("number", "align_corners", "small"),
    [(0, True, True), (1, True, True), (1, False, False), (2, False, True), (3, True, False)],
)
def test_a_loss_is_given_small_logits_if_it_upsamples_them_alike(
    number: int, align_corners: bool, small: bool
) -> None:
    logits = LOGITS[number]
    target = torch.randint(0, 5, (2, *logits.size))
    given, labels = logits.for_loss(target, 255, align_corners)
    assert torch.equal(given, logits.small if small else logits.whole())
    assert torch.equal(labels[:, : target.shape[1], : target.shape[2]], target)
    assert labels.numel() - target.numel() == (labels == 255).sum()
    if small and logits.resizings:
        assert labels.shape[1:] == logits.resizings[0].size


def test_a_vision_transformer_takes_an_odd_number_of_patches() -> None:
    network = vision_transformer().eval()
    image, multiple = torch.randn(1, 3, 16, 48), size_multiple(network)
    with torch.no_grad():
        logits = padded_forward(network, image, multiple, torch.contiguous_format)
    assert logits.whole().shape == (1, 3, 16, 48)


def vision_transformer() -> nn.Module:
    options = {"decoder_intermediate_channels": [8] * 4, "decoder_fusion_channels": 8}
    return build_network("dpt", "tu-test_vit", 3, {"dynamic_img_size": True, **options})
