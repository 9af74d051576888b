"""Where a network's weights come from, with and without a network to fetch them."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import segmentation_models_pytorch as smp
import timm
import torch
import torchvision
from torch import Tensor, nn

from lit_seg.errors import RunError
from lit_seg.models.build import build_network
from lit_seg.tasks import weights
from lit_seg.tasks.weights import load_encoder_weights, load_local_weights

ENCODER = "timm-mobilenetv3_small_minimal_100"
OPTIONS = {"decoder_channels": [8, 8, 8, 8, 8]}
SMALL = {"encoder_depth": 3, "decoder_channels": [8, 8, 8]}


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return build_network("unet", ENCODER, 3, OPTIONS)


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


@pytest.mark.parametrize(
    ("encoder", "options"),
    [(ENCODER, OPTIONS), ("tu-test_byobnet", SMALL), ("tu-test_vit", {"img_size": 64})],
)
def test_published_weights_reach_the_encoder(
    encoder: str, options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that is less deep than the published one, and one of DPT."""
    make, made = timm.create_model, []

    def published(name: str, pretrained: bool = False, **more: object) -> nn.Module:
        made.append(make(name, **more))
        return made[-1]

    net = build_network("dpt" if "vit" in encoder else "unet", encoder, 3, options)
    monkeypatch.setattr(timm, "create_model", published)
    assert load_encoder_weights(net, encoder, "imagenet")
    own, weights = net.encoder.model.state_dict(), made[-1].state_dict()
    assert own.keys() - weights.keys() == set()
    assert all(torch.equal(value, weights[key]) for key, value in own.items())


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state, encoder: state,
        lambda state, encoder: encoder,
        lambda state, encoder: {"state_dict": before("network.", state), "epoch": 3},
        lambda state, encoder: {"state_dict": before("model.", state)},
        lambda state, encoder: before("module.", state),
        lambda state, encoder: before("_orig_mod.module.", state),
        lambda state, encoder: {"model": before("module.network._orig_mod.", state)},
        lambda state, encoder: {"model_state_dict": state, "optimizer": {"state": {0: {}}}},
        lambda state, encoder: {"meta": {}, "state_dict": before("backbone.", encoder)},
        lambda state, encoder: {"teacher": {"net": before("encoder_q.module.", encoder)}},
        # as timm has them, whose stages smp names otherwise
        lambda state, encoder: {
            key.removeprefix("model.").replace("stages_", "stages."): v
            for key, v in encoder.items()
        },
    ],
)
def test_local_weights_are_recognised(
    wrap: Callable[..., object], two_nets: tuple[nn.Module, nn.Module], tmp_path: Path
) -> None:
    net, other = two_nets
    torch.save(wrap(other.state_dict(), other.encoder.state_dict()), tmp_path / "w.pt")
    for value in net.state_dict().values():
        value.zero_()
    load_local_weights(net, str(tmp_path / "w.pt"))
    for key, value in other.encoder.state_dict().items():
        assert torch.equal(net.encoder.state_dict()[key], value)
    assert not net.state_dict()["segmentation_head.0.weight"].any()  # of other classes


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda value: value.to_sparse(), "no tensor of .* fits"),
        (lambda value: value.to("meta"), "no tensor of .* fits"),
        (lambda value: value.to(torch.complex64), "no tensor of .* fits"),
        (lambda value: value.to(torch.int8), "no tensor of .* fits"),
        (
            lambda value: value * float("nan"),
            r"`init`: encoder\S+ of .*w.pt holds NaN .*\d\d tensors",
        ),
    ],
)
def test_local_weights_are_finite_real_numbers(
    change: Callable[[Tensor], Tensor],
    said: str,
    two_nets: tuple[nn.Module, nn.Module],
    tmp_path: Path,
) -> None:
    state = two_nets[1].state_dict().items()
    content = {key: change(v) if v.is_floating_point() else v for key, v in state}
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(RunError, match=said):
        load_local_weights(two_nets[0], str(tmp_path / "w.pt"))


def test_what_stays_random_is_said(
    two_nets: tuple[nn.Module, nn.Module], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    net, other = two_nets
    decoder = len(net.decoder.state_dict())
    caplog.set_level("INFO")
    for state, published, said in (
        (other.state_dict(), False, "; random: 2 of 2 of segmentation_head"),
        (other.encoder.state_dict(), False, f"; random: {decoder} of {decoder} of decoder, 2 of 2"),
        (other.decoder.state_dict(prefix="decoder."), True, "; random: 2 of 2 of segmentation_hea"),
        (net.state_dict(), False, f"start from {tmp_path}/w.pt\n"),
    ):
        caplog.clear()
        torch.save(state, tmp_path / "w.pt")
        load_local_weights(net, str(tmp_path / "w.pt"), published)
        assert said in caplog.text


@pytest.fixture(scope="module")
def two_nets() -> tuple[nn.Module, nn.Module]:
    net, other = (build_network("unet", "tu-test_byobnet", c, SMALL) for c in (3, 5))
    return net, other


def before(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def test_local_weights_of_safetensors(tmp_path: Path) -> None:
    net, other = (build_network("unet", "tu-test_byobnet", 3, SMALL) for _ in range(2))
    other.save_pretrained(tmp_path)  # as smp saves a model
    load_local_weights(net, str(tmp_path / "model.safetensors"))
    assert all(torch.equal(v, other.state_dict()[k]) for k, v in net.state_dict().items())
    (tmp_path / "model.safetensors").write_text("no weights")
    with pytest.raises(RunError, match=r"model\.safetensors: cannot be read"):
        load_local_weights(net, str(tmp_path / "model.safetensors"))


def test_a_folder_of_smp_with_other_classes_lists_what_it_skips(
    two_nets: tuple[nn.Module, nn.Module], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    net, other = two_nets
    other.save_pretrained(tmp_path)
    caplog.set_level("INFO")
    load_local_weights(net, str(tmp_path))
    assert all(
        torch.equal(v, other.decoder.state_dict()[k]) for k, v in net.decoder.state_dict().items()
    )
    said = "of other shapes in the file: segmentation_head.0.bias, segmentation_head.0.weight"
    assert said in caplog.text


def test_weights_of_torchvision_fill_the_encoder(tmp_path: Path) -> None:
    state = torchvision.models.resnet18().state_dict()
    torch.save(state, tmp_path / "w.pt")
    net = build_network("unet", "resnet18", 3, {})
    load_local_weights(net, str(tmp_path / "w.pt"))
    assert all(torch.equal(v, state[key]) for key, v in net.encoder.state_dict().items())


@pytest.mark.parametrize(("encoder", "fitting"), [("resnet18", 97), ("resnet50", 318)])
def test_the_recall_paper_takes_of_torchvision_what_fits(
    encoder: str,
    fitting: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    published = torchvision.models.get_model(encoder)
    monkeypatch.setattr(torchvision.models, "get_model", lambda *a, **k: published)
    net = build_network("recall_paper", encoder, 3, {})
    with pytest.raises(RunError, match="has no weights 'ssl'; there are imagenet"):
        load_encoder_weights(net, encoder, "ssl")
    caplog.set_level("INFO")
    assert load_encoder_weights(net, encoder, "imagenet")
    state, own = published.state_dict(), net.encoder.state_dict()
    equal = [key for key, value in state.items() if key in own and torch.equal(value, own[key])]
    assert len(equal) == fitting
    assert ("97 of its 192 tensors fit" in caplog.text) == (encoder == "resnet18")


@pytest.mark.parametrize("channels", [1, 4])
def test_kernels_for_rgb_are_adapted_to_other_channels(channels: int, tmp_path: Path) -> None:
    """Those that see equal numbers in all channels see what the kernels for RGB see."""
    rgb = build_network("unet", "tu-test_byobnet", 3, SMALL)
    other = build_network("unet", "tu-test_byobnet", 3, SMALL, channels)
    torch.save(rgb.state_dict(), tmp_path / "w.pt")
    load_local_weights(other, str(tmp_path / "w.pt"))
    first, adapted = (next(iter(net.state_dict().values())) for net in (rgb, other))
    expected = [first[:, i % 3] * 3 / channels for i in range(channels)]
    one = first.sum(1, keepdim=True)
    torch.testing.assert_close(adapted, torch.stack(expected, 1) if channels > 1 else one)
    rest = list(other.state_dict())[1:]
    assert all(torch.equal(rgb.state_dict()[key], other.state_dict()[key]) for key in rest)


def test_local_weights_in_the_home_or_of_a_run(
    two_nets: tuple[nn.Module, nn.Module], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    torch.save(two_nets[1].state_dict(), tmp_path / "checkpoints/best.ckpt")
    load_local_weights(two_nets[0], "~/checkpoints/best.ckpt")
    with pytest.raises(RunError, match=r"is no file; give a checkpoint such as .*/best\.ckpt or"):
        load_local_weights(two_nets[0], "~")


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
    with pytest.raises(RunError, match="has no weights 'http://x/y'; there are imagenet"):
        load_encoder_weights(net, "tu-test_byobnet", "http://x/y")
