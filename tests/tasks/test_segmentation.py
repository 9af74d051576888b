"""The LightningModule without the command line."""

import math
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import pytest
import torch
from pytorch_lightning import Trainer
from torch import Tensor
from torch.optim import SGD
from torch.optim.lr_scheduler import PolynomialLR
from torch.utils.data import DataLoader

from lit_seg.errors import RunError
from lit_seg.losses import CrossEntropyLoss, RecallLoss
from lit_seg.metrics import confusion_matrix, confusion_scores
from lit_seg.metrics.labels import VOID, ClassCounts
from lit_seg.tasks import LitSegmenter
from lit_seg.tasks.schedule import _changed_options

SMALL = {
    "encoder": "timm-mobilenetv3_small_minimal_100",
    "options": {"decoder_channels": [8, 8, 8, 8, 8]},
}

TINY = {"encoder": "tu-test_byobnet", "options": {"encoder_depth": 3, "decoder_channels": [8] * 3}}


def batches(n: int, num_classes: int, height: int = 40, width: int = 50) -> list[dict[str, object]]:
    """Random images whose labels hold more void in each batch."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for i in range(n):
        image = torch.randint(0, 256, (2, 3, height, width), generator=generator)
        target = torch.randint(0, num_classes, (2, height, width), generator=generator)
        target[:, : i * height // n] = VOID
        made.append({"image": image.byte(), "target": target, "name": [f"{i}a", f"{i}b"]})
    return made


def loader(data: list[dict[str, object]]) -> DataLoader[object]:
    return DataLoader(data, batch_size=None)  # type: ignore[arg-type]


def trainer(folder: Path, **options: object) -> Trainer:
    return Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (64, 96)])
def test_logits_have_the_size_of_the_image(size: tuple[int, int]) -> None:
    model = LitSegmenter([1, 1, 1], **SMALL).eval()
    image = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    assert model(image).shape == (2, 3, *size)


def test_padding_lies_outside_the_image() -> None:
    # what the network would see of a larger image, padded with the mean colour by hand
    model = LitSegmenter([1, 1], **SMALL).eval()
    image = torch.randint(0, 256, (1, 3, 32, 40), dtype=torch.uint8)
    normalised = (image - model.pixel_mean) / model.pixel_std
    padded = torch.zeros(1, 3, 32, 64)
    padded[..., :40] = normalised
    expected = model.network(padded)[..., :40]
    torch.testing.assert_close(model(image), expected)


@pytest.mark.parametrize(
    ("image", "named"),
    [
        (torch.zeros(1, 32, 32, 3, dtype=torch.uint8), r"\(1, 32, 32, 3\) .*movedim"),
        (torch.zeros(3, 32, 32, dtype=torch.uint8), r"\(3, 32, 32\) .*image\[None\]"),
        (torch.zeros(1, 1, 32, 32, dtype=torch.uint8), r"\(1, 1, 32, 32\)"),
        (torch.zeros(1, 4, 32, 32, dtype=torch.uint8), r"\(1, 4, 32, 32\)"),
        (torch.zeros(1, 3, 32, 32), r"float32.*0 to 255.*\(image \* 255\)"),
        (torch.zeros(1, 3, 32, 32).numpy(), "ndarray.*uint8"),
    ],
)
def test_only_batches_of_rgb_in_bytes_are_taken(
    image: Tensor, named: str, tiny: LitSegmenter
) -> None:
    with pytest.raises(RunError, match=named):
        tiny(image)


@pytest.fixture(scope="module")
def tiny() -> LitSegmenter:
    return LitSegmenter([1, 1], **TINY)


def test_batches_of_another_kind_are_refused(tiny: LitSegmenter) -> None:
    (batch,) = batches(1, 2)
    with pytest.raises(RunError, match=r"a dict with 'image', 'target', got tuple; .*Sample"):
        tiny.training_step((batch["image"], batch["target"]), 0)
    with pytest.raises(RunError, match=r"a dict with .*'name', got \['image', 'target'\]"):
        tiny.validation_step({key: batch[key] for key in ("image", "target")}, 0)


@pytest.mark.parametrize(
    ("architecture", "options", "named"),
    [
        ("fpn", {"upsampling": 1}, "FPN.* 8x8 for images of 32x32.*`upsampling`.* 4 times"),
        ("pspnet", {"encoder_depth": 4}, "PSPNet.* 16x16 for images of 32x32.* 2 times"),
    ],
)
def test_logits_of_another_size_are_refused(
    architecture: str, options: dict[str, int], named: str
) -> None:
    model = LitSegmenter([1, 1], architecture=architecture, options=options).eval()
    with pytest.raises(RunError, match=named):
        model(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


def test_a_run_keeps_how_it_sees_images() -> None:
    """Also one of a version that saw all images by the statistics of ImageNet."""
    model, other = (LitSegmenter([1, 1], **SMALL) for _ in range(2))
    assert model.pixel_mean.flatten().tolist() == [127.5] * 3
    model.pixel_std.fill_(1)
    checkpoint = {"state_dict": model.state_dict()}
    model.on_save_checkpoint(checkpoint)
    other.on_load_checkpoint(checkpoint)
    assert other.pixel_std.unique().tolist() == [1]
    other.on_load_checkpoint({"state_dict": model.state_dict()})
    assert (other.pixel_mean / 255).flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])


def test_validation_scores_are_of_the_dataset_not_of_batches(tmp_path: Path) -> None:
    data = batches(3, num_classes=3)
    model = LitSegmenter([5, 5, 5], class_names=["a", "b", "c"], **SMALL)
    (logged,) = trainer(tmp_path).validate(model, loader(data), verbose=False)
    model.eval()
    with torch.no_grad():
        logits = [model(b["image"]) for b in data]
    confusion = sum(
        confusion_matrix(z.argmax(1), b["target"], 3) for z, b in zip(logits, data, strict=True)
    )
    scores = confusion_scores(confusion)
    assert logged["val/miou"] == pytest.approx(scores.miou.item())
    assert logged["val/iou/b"] == pytest.approx(scores.iou[1].item())
    assert logged["val/classes_scored"] == 3
    pixels = [
        (-z.log_softmax(1)[n, b["target"][n, i, j], i, j]).item()
        for z, b in zip(logits, data, strict=True)
        for n, i, j in (b["target"] != VOID).nonzero().tolist()
    ]
    # each valid pixel counts once, although later batches hold fewer of them
    assert logged["val/ce"] == pytest.approx(math.fsum(pixels) / len(pixels), rel=1e-5)
    assert logged["val/loss"] == pytest.approx(logged["val/ce"], rel=1e-5)


def test_an_absent_class_is_nan_and_left_out(tmp_path: Path) -> None:
    model = LitSegmenter([5, 5, 0], **SMALL)
    head = model.network.segmentation_head[0]
    torch.nn.init.zeros_(head.weight)
    head.bias.data = torch.tensor([1.0, 0.0, 0.0])  # always predicts class 0
    data = [{k: v for k, v in b.items()} for b in batches(1, num_classes=2)]
    (logged,) = trainer(tmp_path).validate(model, loader(data), verbose=False)
    assert math.isnan(logged["val/iou/class_2"])
    assert math.isnan(logged["val/precision/class_1"])
    assert logged["val/recall/class_1"] == 0
    assert logged["val/classes_scored"] == 2
    assert logged["val/miou"] == pytest.approx(logged["val/iou/class_0"] / 2)


def test_two_classes_are_an_ordinary_case(tmp_path: Path) -> None:
    model = LitSegmenter([9, 1], loss=RecallLoss, **SMALL)
    fit = trainer(tmp_path, max_epochs=2, num_sanity_val_steps=0)
    fit.fit(model, loader(batches(2, 2)), loader(batches(1, 2)))
    assert 0 <= fit.callback_metrics["val/miou"] <= 1
    assert model.loss.state.recall.isfinite().all()


def test_training_updates_the_recall_and_validation_does_not(tmp_path: Path) -> None:
    model = LitSegmenter([9, 1], loss=RecallLoss, **SMALL)
    trainer(tmp_path, max_steps=1, limit_val_batches=0).fit(model, loader(batches(1, 2)))
    before = model.loss.state.recall.clone()
    assert before.isfinite().all()
    trainer(tmp_path).validate(model, loader(batches(1, 2)), verbose=False)
    assert torch.equal(model.loss.state.recall, before)


def test_the_schedule_spans_the_run(tmp_path: Path) -> None:
    model = LitSegmenter(
        [1, 1],
        optimizer=lambda params: SGD(params, lr=0.1),
        lr_scheduler=lambda opt, steps: PolynomialLR(opt, steps, power=1.0),
        **SMALL,
    )
    fit = trainer(tmp_path, max_epochs=2, limit_val_batches=0)
    fit.fit(model, loader(batches(2, 2)))
    assert fit.optimizers[0].param_groups[0]["lr"] == pytest.approx(0, abs=1e-9)


def test_a_frozen_encoder_keeps_its_weights_and_statistics(tmp_path: Path) -> None:
    torch.save(LitSegmenter([1, 1], **TINY).network.state_dict(), tmp_path / "w.pt")
    model = LitSegmenter([1, 1], encoder_lr_factor=0, init=str(tmp_path / "w.pt"), **TINY)
    trainer(tmp_path, max_steps=1, limit_val_batches=0).fit(model, loader(batches(1, 2)))
    assert model.train().network.decoder.training
    before = torch.load(tmp_path / "w.pt")
    same = {key for key, value in model.network.state_dict().items() if value.equal(before[key])}
    assert {key for key in before if key.startswith("encoder.")} <= same < before.keys()


def test_the_encoder_has_its_own_learning_rate() -> None:
    model = LitSegmenter([1, 1], encoder_lr_factor=0.1, optimizer=partial(SGD, lr=0.5), **TINY)
    others, encoder = model.configure_optimizers().param_groups
    assert (others["lr"], encoder["lr"]) == (0.5, 0.05)
    assert set(encoder["params"]) == set(model.network.encoder.parameters())
    assert {*others["params"], *encoder["params"]} == set(model.parameters())


@pytest.mark.parametrize(
    ("was", "now", "refused"), [(0, 1, False), (1, 0.1, True), (0.1, 0.2, True), (0.1, 0.1, False)]
)
def test_a_resumed_run_may_thaw_its_encoder_and_no_more(
    was: float, now: float, refused: bool
) -> None:
    before = {"hyper_parameters": {} if was == 1 else {"encoder_lr_factor": was}}
    told = pytest.raises(RunError, match=f"`model.encoder_lr_factor` was {was} and is now {now}.*")
    with told if refused else nullcontext():
        assert _changed_options(before, {"encoder_lr_factor": now}) == set()


def test_progress_reaches_the_loss(tmp_path: Path) -> None:
    seen: list[float] = []

    class Watching(CrossEntropyLoss):
        def set_progress(self, done: float) -> None:
            seen.append(done)

    model = LitSegmenter([1, 1], loss=Watching, **SMALL)
    trainer(tmp_path, max_epochs=2, limit_val_batches=0).fit(model, loader(batches(2, 2)))
    assert seen == [0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("counts", [[3, 4], ClassCounts([3, 4], [1, 1], [7, 7])])
def test_a_checkpoint_reloads_without_the_command_line(counts: object, tmp_path: Path) -> None:
    model = LitSegmenter(counts, loss=RecallLoss, **SMALL)
    fit = trainer(tmp_path, max_steps=1, limit_val_batches=0)
    fit.fit(model, loader(batches(1, 2)))
    fit.save_checkpoint(tmp_path / "x.ckpt")
    again = LitSegmenter.load_from_checkpoint(tmp_path / "x.ckpt", weights_only=False)
    assert isinstance(again.loss, RecallLoss)
    assert again.class_pixels == [3, 4]
    assert_same(again.state_dict(), model.state_dict())


def test_bf16_true_keeps_the_counts_exact() -> None:
    model = LitSegmenter([3, 4], loss=RecallLoss, **SMALL).to(torch.bfloat16)
    assert model.loss.state.recall.dtype == torch.float64
    assert model.evaluation.confusion.confusion.dtype == torch.int64
    loss = model.loss(torch.randn(1, 2, 4, 4).bfloat16(), torch.zeros(1, 4, 4, dtype=torch.long))
    assert loss.dtype == torch.float32


@pytest.mark.parametrize("names", [["a"], ["a", "a"]])
def test_class_names_must_fit(names: list[str]) -> None:
    with pytest.raises(ValueError, match="`class_names` must be 2 different names"):
        LitSegmenter([1, 1], class_names=names, **SMALL)


def assert_same(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    assert one.keys() == two.keys()
    for key, value in one.items():
        torch.testing.assert_close(value, two[key], rtol=0, atol=0, equal_nan=True)
