"""A run that stops anywhere and goes on ends bit by bit where an uninterrupted one ends.

`make kills` does the same with SIGKILL at random moments.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch.utils.data import DataLoader

from lit_seg.callbacks.class_dynamics import ClassDynamics
from lit_seg.callbacks.cost import Cost
from lit_seg.callbacks.validation_report import ValidationReport
from lit_seg.checkpoints.best_and_last import BestCheckpoint
from lit_seg.cli.main import main
from lit_seg.data.datasets.streets.streets import RenderedSplit
from lit_seg.errors import DataError
from lit_seg.tasks import LitSegmenter
from tests import few_streets_cli
from tests.conftest import EXPERIMENTS, TINY
from tests.same import differences, same
from tests.test_cli import fit, rows_of

Interrupt = Callable[[type, str, int], None]

# the average goes on from the stored state; each epoch has four steps
MOMENTUM = ("--model.loss.momentum", "0.9")
EPOCHS = (*MOMENTUM, "--trainer.max_epochs", "2")
STEPS = (*MOMENTUM, "--trainer.max_steps", "6")
# steps of three batches and then of one
ACCUMULATED = (*EPOCHS, "--trainer.accumulate_grad_batches", "3")
VALIDATED_TWICE = (*EPOCHS, "--trainer.val_check_interval", "2")
# validations after 2, 4, 6 and 8 batches, steps of 4
WITHIN_A_STEP = (
    *(*MOMENTUM, "--data.init_args.batch_size", "2", "--trainer.max_epochs", "1"),
    *("--trainer.accumulate_grad_batches", "4", "--trainer.val_check_interval", "2"),
)
DOUBLE = (*EPOCHS, "--trainer.precision", "64-true")
# a moving average of the weights, a warm-up and a cosine
STRONG = (
    *("--config", str(EXPERIMENTS / "recipe/strong_streets.yaml"), *TINY, *EPOCHS),
    *("--model.lr_scheduler.warm_up", "0.5"),
)


def stops_early(patience: int) -> tuple[str, str]:
    """Stop at the validation after the first one and so many others: none is better by 1."""
    options = f"monitor: val/miou, mode: max, patience: {patience}, min_delta: 1"
    name = "pytorch_lightning.callbacks.EarlyStopping"
    return "--trainer.callbacks", f"[{{class_path: {name}, init_args: {{{options}}}}}]"


STOPS_EARLY = (*MOMENTUM, "--trainer.max_epochs", "4", *stops_early(1))
STOPS_WITHIN_AN_EPOCH = (*VALIDATED_TWICE, *stops_early(2))
EVERY_SECOND_EPOCH = (
    *(*MOMENTUM, "--trainer.max_epochs", "3", "--trainer.check_val_every_n_epoch", "2"),
)
DROPOUT = (
    *(*MOMENTUM, "--trainer.max_steps", "3", "--trainer.limit_val_batches", "1"),
    *("--model.architecture", "fpn", "--data.init_args.num_workers", "2"),
    *("--model.options", "{decoder_pyramid_channels: 32, decoder_segmentation_channels: 32}"),
)


class UnforeseenError(Exception):
    """Something that no one expects."""


pytestmark = pytest.mark.usefixtures("few_streets")
slow = pytest.mark.slow


@pytest.fixture
def fail_at(monkeypatch: pytest.MonkeyPatch) -> Interrupt:
    """``fail_at(cls, method, n)``: the n-th call, counted from 1, fails when it has done its work.

    Afterwards the method works again.
    """

    def patch(cls: type, name: str, n: int) -> None:
        method, calls = getattr(cls, name), []

        def failing(self: Any, *args: Any) -> Any:
            result = method(self, *args)
            calls.append(name)
            if len(calls) == n:
                raise UnforeseenError(name)
            return result

        monkeypatch.setattr(cls, name, failing)

    return patch


@pytest.mark.parametrize(
    ("args", "method", "n", "at"),
    [
        pytest.param(EPOCHS, "training_step", 5, 4, id="first batch of an epoch", marks=slow),
        pytest.param(
            STEPS, "validation_step", 1, 4, id="validation, a number of steps", marks=slow
        ),
        pytest.param(ACCUMULATED, "training_step", 6, 2, id="within an accumulated step"),
        pytest.param(VALIDATED_TWICE, "validation_step", 3, 4, id="second validation", marks=slow),
        pytest.param(WITHIN_A_STEP, "validation_step", 7, 1, id="validation within a step"),
        pytest.param(DROPOUT, "training_step", 3, 2, id="random numbers, workers"),
        pytest.param(
            EPOCHS, (ValidationReport, "on_validation_end"), 2, 8, id="report", marks=slow
        ),
        # as by a process that loads images and was killed meanwhile
        pytest.param(EPOCHS, (DataLoader, "__iter__"), 4, 8, id="before a validation", marks=slow),
        pytest.param(STRONG, "validation_step", 3, 8, id="validation of averaged weights"),
        pytest.param(STRONG, "training_step", 3, 2, id="warm-up", marks=slow),
        # the weights have changed and the step is not logged: what is saved is from before
        pytest.param(EPOCHS, (ClassDynamics, "on_train_batch_end"), 6, 4, id="before the rows"),
        # what the others pass through as well, at another place or in another precision, and what
        # `make kills` passes through
        pytest.param(EPOCHS, "training_step", 2, 1, id="first epoch", marks=slow),
        pytest.param(EPOCHS, "validation_step", 2, 4, id="validation", marks=slow),
        pytest.param(STEPS, "training_step", 6, 5, id="a number of steps", marks=slow),
        pytest.param(VALIDATED_TWICE, "training_step", 4, 3, id="after a validation", marks=slow),
        pytest.param(DOUBLE, "training_step", 7, 6, id="float64", marks=slow),
        pytest.param(
            EPOCHS, (BestCheckpoint, "on_validation_end"), 2, 8, id="choice of best", marks=slow
        ),
        # what follows a validation, such as the check of the early stop, is done in part
        pytest.param(STOPS_EARLY, (Cost, "on_train_epoch_end"), 2, 8, id="before the early stop"),
        pytest.param(
            *(STOPS_WITHIN_AN_EPOCH, (EarlyStopping, "on_validation_end"), 3, 6),
            id="early stop within an epoch",
            marks=slow,
        ),
        pytest.param(
            *(EVERY_SECOND_EPOCH, (Cost, "on_train_epoch_end"), 3, 8),
            id="end of an epoch without validation",
            marks=slow,
        ),
    ],
)
def test_an_interrupted_run_ends_like_an_uninterrupted_one(
    args: tuple[str, ...],
    method: str | tuple[type, str],
    n: int,
    at: int,
    tmp_path: Path,
    uninterrupted: Callable[..., Path],
    fail_at: Interrupt,
) -> None:
    reference, folder = uninterrupted(*args), tmp_path / "seed0"
    owner, name = (LitSegmenter, method) if isinstance(method, str) else method
    fail_at(owner, name, n)
    assert fit(folder, *args) == 1
    last = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    assert last["global_step"] == at
    assert main(["fit", "--resume", str(folder)]) == 0
    assert differences(folder, reference) == []


def test_the_best_checkpoint_holds_averages_and_the_state_of_the_loss(
    uninterrupted: Callable[..., Path],
) -> None:
    run = uninterrupted(*STRONG)
    best = torch.load(run / "checkpoints/best.ckpt", weights_only=True)
    saved, current = best["state_dict"], best["current_model_state"]
    weight = "network.segmentation_head.0.weight"
    assert not torch.equal(saved[weight], current[weight])
    assert same(saved["loss.state.value"], current["loss.state.value"])
    model = LitSegmenter.load_from_checkpoint(run / "checkpoints/best.ckpt")
    assert torch.equal(model.state_dict()[weight], saved[weight])
    rates = [float(row["train/lr"]) for row in rows_of(run / "metrics.csv") if row["train/lr"]]
    assert rates[:5] == pytest.approx([0.001 * step / 5 for step in range(1, 6)])
    assert 0 < rates[-1] < rates[-2] < rates[4]


def test_the_comparison_sees_the_smallest_difference(uninterrupted: Callable[..., Path]) -> None:
    reference = uninterrupted(*EPOCHS)
    assert "checkpoints/last.ckpt" in differences(uninterrupted(*STEPS), reference)
    a, b = (torch.load(reference / "checkpoints/last.ckpt", weights_only=True) for _ in range(2))
    assert same(a, b)
    weight = b["state_dict"]["network.segmentation_head.0.weight"]
    weight[0, 0, 0, 0] = weight[0, 0, 0, 0].nextafter(torch.tensor(9.0))
    assert not same(a, b)


# batches of 4 or 2 images; a validation after the fourth of 2 is within the second step
@pytest.mark.parametrize(
    ("args", "images", "at"),
    [
        pytest.param(EPOCHS, 8, 2, id="any"),
        pytest.param(
            (
                *(*MOMENTUM, "--data.init_args.batch_size", "2", "--trainer.max_epochs", "1"),
                *("--trainer.accumulate_grad_batches", "3", "--trainer.val_check_interval", "4"),
            ),
            *(12, 2),
            id="after a step with a validation in it",
        ),
    ],
)
def test_a_bad_image_costs_no_step(
    args: tuple[str, ...],
    images: int,
    at: int,
    tmp_path: Path,
    uninterrupted: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between steps the state is whole, also when the next batch cannot be had."""
    reference, folder = uninterrupted(*args), tmp_path / "seed0"
    load, calls = RenderedSplit.load, []

    def failing(self: RenderedSplit, index: int) -> Any:
        if len(self) == few_streets_cli.SPLITS["train"][1]:
            calls.append(index)
        if len(calls) == 1 + images + 1:  # one image is looked at before training
            raise DataError("x.png: cannot be read")
        return load(self, index)

    with monkeypatch.context() as patch:
        patch.setattr(RenderedSplit, "load", failing)
        assert fit(folder, *args, "--data.init_args.num_workers", "0") == 2
    assert torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] == at
    assert main(["fit", "--resume", str(folder)]) == 0
    assert differences(folder, reference) == []


def test_a_killed_write_leaves_no_half_row(
    tmp_path: Path, uninterrupted: Callable[..., Path], fail_at: Interrupt
) -> None:
    """In the second epoch."""
    reference, folder = uninterrupted(*EPOCHS), tmp_path / "seed0"
    fail_at(LitSegmenter, "training_step", 7)
    assert fit(folder, *EPOCHS) == 1
    assert torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 6
    for name in ("metrics.csv", "classes.csv"):  # a 6 that was to become 6,...
        with (folder / name).open("a") as file:
            file.write("6")
    with (folder / "classes.csv").open("a") as file:
        file.write("\n5")  # and one that looks like a step to keep
    assert main(["fit", "--resume", str(folder)]) == 0
    assert differences(folder, reference) == []


def test_a_finished_run_can_be_finished_again(
    tmp_path: Path, uninterrupted: Callable[..., Path]
) -> None:
    """As after a kill between the last checkpoint and the table."""
    for number, args in enumerate((EPOCHS, STRONG)):
        folder = tmp_path / str(number)
        shutil.copytree(uninterrupted(*args), folder)
        (folder / "summary.json").unlink()
        assert main(["fit", "--resume", str(folder)]) == 0
        assert differences(folder, uninterrupted(*args)) == []


def test_a_run_that_was_moved_keeps_its_best_score(
    tmp_path: Path, uninterrupted: Callable[..., Path]
) -> None:
    shutil.copytree(uninterrupted(*EPOCHS), tmp_path / "b")
    best = tmp_path / "b/checkpoints/best.ckpt"
    checkpoint = torch.load(tmp_path / "b/checkpoints/last.ckpt", weights_only=True)
    checkpoint["callbacks"]["BestCheckpoint"]["best_score"] = 0.99
    torch.save(checkpoint, tmp_path / "b/checkpoints/last.ckpt")
    before = best.read_bytes()
    assert main(["fit", "--resume", str(tmp_path / "b"), "--trainer.max_epochs", "3"]) == 0
    assert best.read_bytes() == before


def test_a_run_goes_on_with_other_batches(tmp_path: Path) -> None:
    """As with another number of ranks: what counts is how many samples were seen."""
    assert fit(tmp_path / "a", "--trainer.max_steps", "2") == 0
    larger = ("--data.init_args.batch_size", "8", "--trainer.max_steps", "3")
    assert main(["fit", "--resume", str(tmp_path / "a"), *larger]) == 0
    scored = [r["step"] for r in rows_of(tmp_path / "a/metrics.csv") if r["val/miou"]]
    assert scored == ["1", "2"]
    last = torch.load(tmp_path / "a/checkpoints/last.ckpt", weights_only=True)
    assert last["position"]["epoch"] == 1  # 2 batches of 4 and 1 of 8 are all 16
    rows = [int(r["step"]) for r in rows_of(tmp_path / "a/metrics.csv") if r["train/loss"]]
    assert rows == [0, 1, 2]


def test_an_epoch_that_grown_batches_finish_is_validated(tmp_path: Path) -> None:
    assert fit(tmp_path / "a", "--trainer.max_steps", "3", "--trainer.limit_val_batches", "0") == 0
    larger = ("--data.init_args.batch_size", "12", "--trainer.max_steps", "4")  # 12 of 16 are done
    options = (*larger, "--trainer.limit_val_batches", "1.0")
    assert main(["fit", "--resume", str(tmp_path / "a"), *options]) == 0
    rows = rows_of(tmp_path / "a/metrics.csv")
    assert [r["step"] for r in rows if r["val/miou"]] == ["2", "3"]


def test_going_on_from_an_older_checkpoint_leaves_no_gap(
    tmp_path: Path, uninterrupted: Callable[..., Path], fail_at: Interrupt
) -> None:
    reference, folder = uninterrupted(*EPOCHS), tmp_path / "seed0"
    old = folder / "checkpoints/old.ckpt"
    fail_at(LitSegmenter, "training_step", 7)
    assert fit(folder, *EPOCHS) == 1
    shutil.copy(folder / "checkpoints/last.ckpt", old)
    assert main(["fit", "--resume", str(folder)]) == 0
    fail_at(LitSegmenter, "training_step", 1)
    assert main(["fit", "--resume", str(old)]) == 1
    old.unlink()
    assert main(["fit", "--resume", str(folder)]) == 0
    assert differences(folder, reference) == []


def test_the_best_checkpoint_holds_what_was_scored(tmp_path: Path) -> None:
    """Also when it was scored within an accumulated step."""
    options = ("--trainer.accumulate_grad_batches", "3", "--trainer.val_check_interval", "2")
    assert fit(tmp_path / "a", *options, "--trainer.max_epochs", "1") == 0
    best = torch.load(tmp_path / "a/checkpoints/best.ckpt", weights_only=True)
    score = best["callbacks"]["BestCheckpoint"]["best_score"]
    assert main(["validate", "--ckpt_path", str(tmp_path / "a")]) == 0
    table = (tmp_path / "a/evaluation/val/table.md").read_text()
    (miou,) = re.findall(r"mIoU ([\d.]+)", table)
    assert float(miou) == pytest.approx(score, abs=5e-5)


def test_the_last_validation_is_held_by_the_run_that_goes_on(
    tmp_path: Path,
    uninterrupted: Callable[..., Path],
    fail_at: Interrupt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where all steps are done: it may find the best weights."""
    reference, folder = uninterrupted(*STEPS), tmp_path / "seed0"
    fail_at(LitSegmenter, "validation_step", 3)  # of the last validation, after six steps
    assert fit(folder, *STEPS) == 1
    places: list[str] = []  # of the module, where the run's device is a GPU
    validate = LitSegmenter.validation_step
    for cls, name, place in (
        (SingleDeviceStrategy, "model_to_device", "GPU"),
        (LitSegmenter, "cpu", "CPU"),
    ):
        monkeypatch.setattr(cls, name, lambda _, place=place: places.append(place))
    monkeypatch.setattr(
        LitSegmenter,
        "validation_step",
        lambda *args: places.append("validation") or validate(*args),
    )
    assert main(["fit", "--resume", str(folder)]) == 0
    assert list(dict.fromkeys(places[2:])) == ["GPU", "validation", "CPU"]
    assert differences(folder, reference) == []


def test_the_best_checkpoint_of_the_first_accumulated_step_is_gone_on_from(
    tmp_path: Path, uninterrupted: Callable[..., Path], fail_at: Interrupt
) -> None:
    """It is the only one, and holds batch statistics of the middle of the step."""
    reference, folder = uninterrupted(*WITHIN_A_STEP), tmp_path / "seed0"
    fail_at(LitSegmenter, "training_step", 3)
    assert fit(folder, *WITHIN_A_STEP) == 1
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["best.ckpt"]
    assert main(["fit", "--resume", str(folder)]) == 0
    assert differences(folder, reference) == []


def test_a_run_that_stopped_early_goes_on_to_another_end(
    tmp_path: Path, uninterrupted: Callable[..., Path]
) -> None:
    folder = tmp_path / "seed0"
    shutil.copytree(uninterrupted(*STOPS_EARLY), folder)
    assert main(["fit", "--resume", str(folder), "--trainer.max_epochs", "5"]) == 0
    steps = [row["step"] for row in rows_of(folder / "metrics.csv") if row["val/miou"]]
    assert steps == ["3", "7", "11"]
