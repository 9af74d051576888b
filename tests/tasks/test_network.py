"""Where a network's weights come from, with and without a network to fetch them."""

import logging
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from lit_seg.errors import RunError
from lit_seg.tasks import weights
from lit_seg.tasks.network import build_network
from lit_seg.tasks.weights import load_encoder_weights, load_local_weights

ENCODER = "timm-mobilenetv3_small_minimal_100"
OPTIONS = {"decoder_channels": [8, 8, 8, 8, 8]}


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return build_network("unet", ENCODER, 3, OPTIONS)


@pytest.mark.parametrize(
    ("architecture", "encoder", "options", "named"),
    [
        ("unett", ENCODER, {}, "unetplusplus"),
        ("unet", "resnet19", {}, "resnet18"),
        ("unet", ENCODER, {"decoder_chanels": [8]}, "decoder_chanels"),
    ],
)
def test_unknown_parts_are_named(
    architecture: str, encoder: str, options: dict[str, object], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        build_network(architecture, encoder, 3, options)


def test_weights_that_cannot_be_had_leave_random_ones_and_one_line(
    net: nn.Module, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def offline(*args: object, **kwargs: object) -> None:
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr(smp.encoders, "get_encoder", offline)
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with caplog.at_level(logging.INFO):
        assert not load_encoder_weights(net, ENCODER, "imagenet")
    (line,) = (r.getMessage() for r in caplog.records if "imagenet" in r.getMessage())
    assert "no route to the hub" in line
    assert "INIT=" in line
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


def test_a_hub_that_never_answers_does_not_hang(
    net: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    never = threading.Event()
    monkeypatch.setattr(smp.encoders, "get_encoder", lambda *a, **k: never.wait())
    monkeypatch.setattr(weights, "_DOWNLOAD_SECONDS", 0.1)
    assert not load_encoder_weights(net, ENCODER, "imagenet")
    never.set()


def test_published_weights_reach_the_encoder(
    net: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = smp.encoders.get_encoder(ENCODER, weights=None)
    monkeypatch.setattr(smp.encoders, "get_encoder", lambda *a, **k: published)
    assert load_encoder_weights(net, ENCODER, "imagenet")
    for key, value in published.state_dict().items():
        assert torch.equal(net.encoder.state_dict()[key], value)


@pytest.mark.parametrize("wrap", ["checkpoint", "network", "encoder"])
def test_local_weights_of_three_kinds(net: nn.Module, wrap: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    other = build_network("unet", ENCODER, 5, OPTIONS)  # its head has other classes
    state = other.state_dict()
    stored: object = {
        "checkpoint": {"state_dict": {f"network.{k}": v for k, v in state.items()}},
        "network": state,
        "encoder": other.encoder.state_dict(),
    }[wrap]
    torch.save(stored, tmp_path / "w.pt")
    head = net.state_dict()["segmentation_head.0.weight"].clone()
    load_local_weights(net, str(tmp_path / "w.pt"))
    for key, value in other.encoder.state_dict().items():
        assert torch.equal(net.encoder.state_dict()[key], value)
    assert torch.equal(net.state_dict()["segmentation_head.0.weight"], head)


def test_unusable_local_weights_are_named(net: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nosuch\.pt is no file"):
        load_local_weights(net, str(tmp_path / "nosuch.pt"))
    (tmp_path / "broken.pt").write_text("no weights")
    with pytest.raises(RunError, match=r"broken\.pt: cannot be read"):
        load_local_weights(net, str(tmp_path / "broken.pt"))
    torch.save({"x": torch.zeros(2)}, tmp_path / "foreign.pt")
    with pytest.raises(RunError, match="fits this network"):
        load_local_weights(net, str(tmp_path / "foreign.pt"))


def test_weights_that_do_not_exist_are_an_error_not_a_fallback(net: nn.Module) -> None:
    with pytest.raises(RunError, match="has no weights 'imagenett'; there are imagenet, ssl"):
        load_encoder_weights(net, "resnet18", "imagenett")
