"""The networks of both papers: their sizes, what they compute, and that they train."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn
from torch.nn.functional import max_pool2d, max_unpool2d

from lit_seg.data import DATASETS
from lit_seg.losses import RecallLoss
from lit_seg.metrics import confusion_matrix, confusion_scores
from lit_seg.metrics.labels import VOID
from lit_seg.models.any_size import padded_forward, size_multiple
from lit_seg.models.build import build_network
from lit_seg.models.segnet import SegNet, _unpooled
from lit_seg.tasks import LitSegmenter
from lit_seg.tasks.warm_up import WarmUpLR
from tests.conftest import EXPERIMENTS

MODELS = sorted((EXPERIMENTS / "model").glob("*.yaml"))
PAGE = (EXPERIMENTS.parent / "docs" / "models.md").read_text()
LISTED = dict(re.findall(r"^\| `(\w+)` \| .* \| ([\d,]+) \|$", PAGE, re.MULTILINE))
NARROW: dict[str, dict[str, Any]] = {
    "pat_unet": {"options": {"width": 4}},
    "pat_unetplusplus": {"options": {"width": 4}},
    "pat_attention_unet": {"options": {"width": 4}},
    "segnet": {"options": {"width": 4}},
    "segnet paper": {"options": {"width": 4, "variant": "paper"}},
    "recall_paper": {},
}


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("architecture", "encoder", "options", "parameters"),
    [
        # of the published code, instantiated there with 19 classes
        ("pat_unet", None, {}, 7_763_635),
        ("pat_unet", None, {"width": 64}, 31_038_803),
        ("pat_attention_unet", None, {}, 8_727_807),
        ("pat_attention_unet", None, {"width": 64}, 34_879_743),
        ("pat_unetplusplus", None, {}, 9_163_923),
        ("pat_unetplusplus", None, {"width": 64}, 36_630_803),
        ("segnet", None, {}, 3_826_662),
        ("segnet", None, {"variant": "pat", "width": 64}, 15_284_134),
        ("segnet", None, {"variant": "paper"}, 29_453_971),
        ("recall_paper", "resnet18", {}, 35_252_403),
        ("recall_paper", "resnet101", {}, 59_343_795),
    ],
)
def test_parameters_are_as_many_as_published(
    architecture: str, encoder: str | None, options: dict[str, Any], parameters: int
) -> None:
    with torch.device("meta"):
        assert size(build_network(architecture, encoder, 19, options)) == parameters


def test_the_page_lists_all_configurations() -> None:
    assert sorted(LISTED) == [path.stem for path in MODELS]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_each_configuration_makes_a_network(path: Path) -> None:
    given = yaml.safe_load(path.read_text())["model"]
    assert given.keys() == {"architecture", "encoder", "options"}  # so that the last one wins
    # SegFormer's encoders draw numbers while they are made
    with torch.device("cpu" if "mit_" in path.stem else "meta"):
        network = build_network(given["architecture"], given["encoder"], 19, given["options"])
    assert f"{size(network):,}" == LISTED[path.stem]
    assert hasattr(network, "encoder") == bool(given["encoder"])


@pytest.mark.parametrize("name", NARROW)
def test_any_size_and_any_number_of_channels(name: str) -> None:
    options = NARROW[name].get("options", {})
    network = build_network(name.split()[0], "resnet18", 2, options, channels=4).eval()
    image, layout = torch.randn(1, 4, 21, 35), torch.channels_last
    with torch.no_grad():
        logits = padded_forward(network, image, size_multiple(network), layout).whole()
        assert logits.shape == (1, 2, 21, 35)
        narrow = padded_forward(network, image[..., :21], size_multiple(network), layout).whole()
    assert narrow.shape == (1, 2, 21, 21)


def test_the_recall_paper_has_its_multi_grid_and_rates() -> None:
    with torch.device("meta"):
        network = build_network("recall_paper", "resnet18", 19, {})
        low, high = network.encoder(torch.zeros(1, 3, 64, 96))
    dilated = [
        (module.dilation[0], module.padding[0])
        for module in network.modules()
        if isinstance(module, nn.Conv2d) and module.dilation != (1, 1)
    ]
    assert dilated == [(rate, rate) for rate in (2, 4, 8, 6, 12, 18)]
    assert (low.shape, high.shape) == ((1, 256, 16, 24), (1, 2048, 4, 6))


@pytest.mark.parametrize("variant", ["pat", "paper"])
def test_logits_of_segnet_may_be_negative(variant: Any) -> None:
    """In PAT's code they are not."""
    torch.manual_seed(0)
    network = SegNet(3, 3, variant=variant, width=4)
    logits = network(torch.randn(2, 3, 64, 64))
    assert logits.amin((0, 2, 3)).max() < 0 < logits.max()


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def test_segnet_trains_in_a_run_that_is_deterministic(deterministic: None) -> None:
    SegNet(3, 3, width=2)(torch.randn(2, 3, 32, 32)).sum().backward()


def test_segnet_puts_values_where_their_maxima_were() -> None:
    """With convolutions that change nothing, the maximum of a picture comes back to its place."""
    x, places = max_pool2d(torch.randn(2, 3, 8, 12), 2, return_indices=True)
    assert torch.equal(_unpooled(x, places), max_unpool2d(x, places, [2, 2]))
    network = SegNet(1, 1, width=1)
    network.down = network.up = nn.ModuleList(nn.Identity() for _ in range(4))
    network.head = nn.Sequential()
    image = torch.rand(1, 1, 16, 32)
    expected = torch.zeros_like(image)
    for half in (image[..., :16], image[..., 16:]):
        expected[image == half.max()] = half.max()
    assert torch.equal(network(image), expected)


@pytest.mark.parametrize(
    ("architecture", "encoder", "options", "named"),
    [
        ("pat_unets", None, {}, "`architecture`: .*'pat_unets'; did you mean 'pat_unet'"),
        ("unet", None, {}, "`encoder`: unet needs one, such as 'resnet18', got None"),
        ("recall_paper", "resnet34", {}, "recall_paper has no 'resnet34'.*resnet101"),
        ("recall_paper", "resnet18", {"width": 3}, "recall_paper has no 'width'; it has none"),
        ("pat_unet", None, {"widht": 3}, "pat_unet has no 'widht'; did you mean 'width'"),
        ("segnet", None, {"width": "x"}, "width must be the number .*such as 32, got 'x'"),
        ("segnet", None, {"variant": "ours"}, "variant.* must be 'paper' or 'pat', got 'ours'"),
    ],
)
def test_what_a_network_does_not_have_is_named(
    architecture: str, encoder: str | None, options: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        build_network(architecture, encoder, 3, options)


def test_a_network_without_an_encoder_has_no_rate_for_it() -> None:
    with pytest.raises(ValueError, match=r"`encoder_lr_factor`: pat_unet has no encoder, got 0\.1"):
        LitSegmenter([1, 1], architecture="pat_unet", encoder_lr_factor=0.1)


@pytest.mark.parametrize("name", NARROW)
def test_it_takes_a_step_with_recall_loss_and_loads_its_checkpoint(name: str) -> None:
    torch.manual_seed(0)
    given = {"architecture": name.split()[0], **NARROW[name], "loss": RecallLoss}
    model, other = (LitSegmenter([1, 2, 3], **given) for _ in range(2))
    assert model.hparams["encoder"] == ("resnet18" if name == "recall_paper" else None)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    image = torch.randint(0, 256, (2, 3, 32, 48), dtype=torch.uint8)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    model.loss(model(image), torch.randint(0, 3, (2, 32, 48))).backward()
    optimizer.step()
    assert all(not torch.equal(before[k], v) for k, v in model.named_parameters() if v.ndim == 4)
    checkpoint = {"state_dict": model.state_dict()}
    model.on_save_checkpoint(checkpoint)
    other.on_load_checkpoint(checkpoint)
    other.load_state_dict(checkpoint["state_dict"])
    with torch.no_grad():
        assert torch.equal(model.eval()(image), other.eval()(image))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "rate", "goal"),
    [
        *(("pat_unet", 5e-3, 0.9), ("pat_unetplusplus", 2e-3, 0.9)),
        *(("pat_attention_unet", 5e-3, 0.9), ("segnet", 3e-3, 0.9), ("segnet paper", 2e-3, 0.9)),
        # its logits have a quarter of the resolution: as free numbers, fitted to these labels by
        # 300 steps of Adam, they reach .88, since a pole is one pixel wide
        ("recall_paper", 3e-3, 0.8),
    ],
)
def test_it_learns_four_images_by_heart(name: str, rate: float, goal: float) -> None:
    """In its published width, within 300 steps: mean IoU of the classes that the images hold."""
    root = Path(os.environ.get("DATA_ROOT", "data"))
    if not (root / "camvid").is_dir():
        pytest.skip(f"{root} does not hold camvid")
    given = {"architecture": name.split()[0], "options": variant_of(name)}
    assert steps_to_learn(given, root, rate, goal) is not None


def variant_of(name: str) -> dict[str, str]:
    return {"variant": "paper"} if name.endswith("paper") and name != "recall_paper" else {}


def steps_to_learn(
    given: dict[str, Any], root: Path, rate: float, goal: float, steps: int = 300
) -> int | None:
    """Find the first tenth step after which four images of CamVid score more than the goal."""
    torch.manual_seed(0)
    data = DATASETS["camvid"](str(root / "camvid"), height=96, width=128, num_workers=0)
    data.prepare_data()
    samples = [data.val_dataloader().dataset[0, index, 0] for index in (0, 30, 60, 90)]
    images = torch.stack([sample["image"] for sample in samples])
    labels = torch.stack([sample["target"] for sample in samples])
    counts = labels[labels != VOID].bincount(minlength=len(data.class_names)).tolist()
    model = LitSegmenter(counts, **given)
    optimizer = torch.optim.AdamW(model.parameters(), rate, weight_decay=0)
    schedule = WarmUpLR(optimizer, steps, warm_up=1 / 30, power=1)
    for step in range(1, steps + 1):
        model.train()
        optimizer.zero_grad()
        model.loss(model(images), labels).backward()
        optimizer.step()
        schedule.step()
        if step % 10 == 0:
            with torch.no_grad():
                predicted = model.eval()(images).argmax(1)
            if confusion_scores(confusion_matrix(predicted, labels, len(counts))).miou > goal:
                return step
    return None
