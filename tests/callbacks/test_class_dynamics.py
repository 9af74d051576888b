"""The callback measures every loss alike, and logs what a loss tells besides."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim import SGD

from lit_seg.callbacks.class_dynamics import ClassDynamics
from lit_seg.loggers.csv_log import CSVLog
from lit_seg.losses import (
    CrossEntropyLoss,
    DeferredReweightingLoss,
    FocalLoss,
    LDAMLoss,
    RecallFocalLoss,
    SoftDiceLoss,
    WeightedSumLoss,
)
from lit_seg.metrics.class_step import class_step, class_sums, gradient_sums
from lit_seg.metrics.labels import VOID
from lit_seg.tasks import LitSegmenter
from tests.tasks.test_segmentation import SMALL, batches, loader, trainer
from tests.test_cli import rows_of


class Talkative(CrossEntropyLoss):
    def class_stats(self) -> dict[str, Tensor]:
        return {
            "weight": torch.tensor([3.0, 1.0]),
            "margin": torch.tensor([0.5, torch.nan]),
            "recall": torch.tensor([0.25, 0.75]),
        }


def frozen(loss: type) -> LitSegmenter:
    """A model that gives the same logits in each step: no batch statistics, a rate of 0."""
    torch.manual_seed(0)
    model = LitSegmenter([1, 1], ["a", "b"], loss=loss, optimizer=partial(SGD, lr=0.0), **SMALL)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # and Lightning leaves it so
    return model


def logged(
    loss: type, folder: Path, every_n_steps: int = 1, number: int = 4, **options: int
) -> dict[tuple[int, str, str], float]:
    """What a run logs: (step, stat, class) to value."""
    fit = trainer(folder, max_epochs=1, limit_val_batches=0, **options)
    fit.callbacks.append(ClassDynamics(every_n_steps))
    fit.loggers = [CSVLog(folder)]
    fit.fit(frozen(loss), loader(batches(number, 2)))
    rows = rows_of(folder / "classes.csv")
    return {(int(r["step"]), r["stat"], r["class"]): float(r["value"]) for r in rows}


def expected(model: LitSegmenter, parts: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    """The statistics of a step of these batches, as far as they are defined."""
    sums = torch.zeros(6, 2, dtype=torch.float64)
    for part in parts:
        logits = model(part["image"]).detach().requires_grad_()
        model.loss(logits, part["target"]).backward()
        assert logits.grad is not None
        sums += class_sums(logits, part["target"]) + gradient_sums(logits.grad, part["target"])
    values = {(s, "ab"[c]): float(v[c]) for s, v in class_step(sums).items() for c in (0, 1)}
    return {key: value for key, value in values.items() if abs(value) < torch.inf}


@pytest.mark.parametrize(
    "loss",
    [
        *(CrossEntropyLoss, SoftDiceLoss, partial(LDAMLoss, scale=3.0), FocalLoss),
        partial(DeferredReweightingLoss, loss=RecallFocalLoss, start=0.0),
        partial(WeightedSumLoss, losses=[FocalLoss, SoftDiceLoss]),
    ],
    ids=str,
)
def test_a_step_is_all_batches_that_are_accumulated(tmp_path: Path, loss: type) -> None:
    found = logged(loss, tmp_path, number=5, accumulate_grad_batches=2)
    assert {step for step, _, _ in found} == {0, 1, 2}  # two, two and the last one alone
    data = batches(5, 2)
    for step, parts in enumerate((data[:2], data[2:4], data[4:])):
        for key, value in expected(frozen(loss), parts).items():
            assert found[step, *key] == pytest.approx(value, rel=2e-4), (step, key)


def test_logits_that_were_changed_in_place_are_watched() -> None:
    weight = torch.randn(1, 2, 4, 4, requires_grad=True)
    logits = (2 * weight)[:, :, :4, :4]
    logits[0, 0, 0, 0] = 1.0  # torch would lose a hook on such a view, or crash
    loss = SoftDiceLoss([1, 1])
    watching = ClassDynamics()
    watching._sums = torch.zeros(())
    target = torch.randint(0, 2, (1, 4, 4))
    loss(*watching._watch(loss, (logits, target))).backward()
    assert watching._sums is not None
    assert (watching._sums[-1] > 0).all()


def test_what_a_loss_tells_is_logged_too(tmp_path: Path) -> None:
    found = logged(Talkative, tmp_path, every_n_steps=2)
    told = {key[1:]: value for key, value in found.items() if key[0] == 2}
    assert told["weight", "a"] == 3
    assert (told["weight_norm", "a"], told["weight_norm", "b"]) == (0.75, 0.25)
    assert told["margin", "a"] == 0.5
    assert ("margin", "b") not in told  # NaN
    assert told["loss_recall", "a"] == 0.25  # `recall` is measured
    assert told["recall", "a"] + told["miss", "a"] == pytest.approx(1)
    assert {step for step, _, _ in found} == {0, 2}


def test_a_share_of_the_weight_is_of_the_classes_of_the_step(tmp_path: Path) -> None:
    data = batches(1, 2)
    data[0]["target"].fill_(0)
    fit = trainer(tmp_path, max_epochs=1, limit_val_batches=0)
    fit.callbacks.append(ClassDynamics(1))
    fit.loggers = [CSVLog(tmp_path)]
    fit.fit(frozen(Talkative), loader(data))
    rows = {(row["stat"], row["class"]): row["value"] for row in rows_of(tmp_path / "classes.csv")}
    assert (rows["weight", "a"], rows["weight", "b"]) == ("3", "1")
    assert rows["weight_norm", "a"] == "1"
    assert ("weight_norm", "b") not in rows  # no pixel of it is in the step


def test_training_is_the_same_with_and_without(tmp_path: Path) -> None:
    weights = []
    for callbacks in ([], [ClassDynamics(1)]):
        torch.manual_seed(0)
        model = LitSegmenter([1, 1], ["a", "b"], **SMALL)
        fit = trainer(tmp_path, max_steps=3, limit_val_batches=0)
        fit.callbacks += callbacks
        fit.fit(model, loader(batches(3, 2)))
        assert not model.loss._forward_pre_hooks  # nothing listens when training is over
        weights.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    assert torch.equal(*weights)


def test_shares_are_of_the_labelled_pixels() -> None:
    logits = torch.randn(1, 2, 4, 4, requires_grad=True)
    target = torch.tensor([[0, 0, 1, VOID]]).expand(1, 4, 4)
    F.cross_entropy(logits, target, ignore_index=VOID).backward()
    assert logits.grad is not None
    share = class_step(gradient_sums(logits.grad, target) + class_sums(logits, target))
    assert share["gradient_share"].sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every_n_steps": 0}, "`every_n_steps` must be at least 1, got 0"),
        ({"gamma": -1.0}, "`gamma` must not be negative, got -1.0"),
    ],
)
def test_options_are_checked(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClassDynamics(**options)  # type: ignore[arg-type]
