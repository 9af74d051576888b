"""Networks are built as asked, or what is wrong is named."""

import pytest
import torch

from lit_seg.models.build import build_network
from lit_seg.models.normalisation import IMAGENET, published_statistics

ENCODER = "timm-mobilenetv3_small_minimal_100"


@pytest.mark.parametrize(
    ("architecture", "encoder", "options", "named"),
    [
        ("unett", ENCODER, {}, "unetplusplus"),
        ("unet", "resnet19", {}, "resnet18"),
        ("unet", "convnext_atto", {}, "tu-convnext_atto"),
        ("unet", ENCODER, {"decoder_chanels": [8]}, "'decoder_chanels'.* mean 'decoder_channels'"),
        (
            "fpn",
            "resnet18",
            {"upsamplin": 4},
            "'upsamplin' with resnet18; did you mean 'upsampling'",
        ),
        ("unet", "resnet18", {"drop_path_rate": 0.1}, "'drop_path_rate' with resnet18; there are"),
        (
            "unet",
            "tu-test_byobnet",
            {"decoder_chanels": 8},
            "'decoder_chanels'.* mean 'decoder_chan",
        ),
        (
            "unet",
            "tu-test_byobnet",
            {"drop_pth_rate": 0.1},
            "'drop_pth_rate'; did you mean 'drop_path_rate'",
        ),
    ],
)
def test_unknown_parts_are_named(
    architecture: str, encoder: str, options: dict[str, object], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        build_network(architecture, encoder, 3, options)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("activation", "softmax"),
        ("aux_params", {"classes": 3}),
        ("classes", 4),
        ("encoder_name", "vgg11"),
        ("encoder_weights", "imagenet"),
        ("in_channels", 4),
    ],
)
def test_what_goes_in_and_comes_out_is_no_option(option: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"`options`: {option} cannot be .*{value}.*; leave it"):
        build_network("unet", "resnet18", 3, {option: value})


def test_options_of_an_encoder_are_taken() -> None:
    build_network("unet", "tu-test_byobnet", 3, {"drop_path_rate": 0.1, "in_channels": 3})
    network = build_network("deeplabv3", "resnet18", 3, {"encoder_output_stride": 16})
    assert network.encoder.output_stride == 16


@pytest.mark.parametrize(
    ("encoder", "weights", "mean", "std"),
    [
        ("resnet18", None, IMAGENET[0], IMAGENET[1]),
        ("resnet18", "imagenet", IMAGENET[0], IMAGENET[1]),
        ("tu-test_byobnet", None, IMAGENET[0], IMAGENET[1]),
        ("tu-test_vit", None, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        (ENCODER, "imagenet", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ("efficientnet-b0", "advprop", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
        ("dpn68", "imagenet", (0.4863, 0.4588, 0.4078), (0.2348, 0.2348, 0.2348)),
        ("inceptionv4", None, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    ],
)
def test_images_are_seen_as_the_published_weights_expect(
    encoder: str, weights: str | None, mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    architecture = "dpt" if encoder == "tu-test_vit" else "unet"
    with torch.device("meta"):
        network = build_network(architecture, encoder, 2, {})
    found = published_statistics(network, encoder, weights)
    torch.testing.assert_close(found, torch.tensor([mean, std]), rtol=0, atol=1e-4)
