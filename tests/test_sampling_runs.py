"""Runs with samplings and class crops: by their options, stopped and resumed, on two ranks."""

import math
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from lit_seg.cli.main import main
from lit_seg.data import SegDataModule
from lit_seg.data.datasets.streets import streets
from lit_seg.tasks import LitSegmenter
from tests import few_streets_cli
from tests.same import differences
from tests.test_cli import fit, rows_of
from tests.test_ranks import arguments, at_the_end, column, torchrun

REPEAT_FACTOR = ("--data.init_args.sampling", "RepeatFactor")
CLASS_AWARE = (
    *("--data.init_args.sampling", "ClassAware"),
    *("--data.init_args.sampling.temperature", "0.1"),
)
CLASS_CROPS = ("--data.init_args.class_crops", "0.5", "--data.init_args.crop", "[32, 48]")
OPTIONS = {"repeat factor": REPEAT_FACTOR, "class aware, crops": (*CLASS_AWARE, *CLASS_CROPS)}
MADE = {
    "repeat factor": {
        "class_path": "lit_seg.data.sampling.RepeatFactor",
        "init_args": {"threshold": 0.5},
    },
    "class aware, crops": {
        "class_path": "lit_seg.data.sampling.ClassAware",
        "init_args": {"temperature": 0.1, "min_pixels": 1},
    },
}
SIX_STEPS = ("--trainer.max_steps", "6", "--trainer.limit_val_batches", "2")  # of four an epoch


@pytest.fixture
def seen(few_streets: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The names of the images of each training step."""
    names: list[tuple[str, ...]] = []
    step = LitSegmenter.training_step

    def spy(self: LitSegmenter, batch: Any, *args: Any) -> Any:
        names.append(tuple(batch["name"]))
        return step(self, batch, *args)

    monkeypatch.setattr(LitSegmenter, "training_step", spy)
    return names


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    train = LitSegmenter.training_step

    def fails(self: LitSegmenter, *args: Any) -> Any:
        if self.global_step == step:
            raise RuntimeError("stopped")
        return train(self, *args)

    monkeypatch.setattr(LitSegmenter, "training_step", fails)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_stopped_run_ends_like_an_undisturbed_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: list[tuple[str, ...]]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert fit(whole, *OPTIONS[name], *SIX_STEPS) == 0
    undisturbed = seen.copy()
    seen.clear()
    with monkeypatch.context() as patch:
        stop_at(5, patch)  # the second step of the second epoch
        assert fit(parts, *OPTIONS[name], *SIX_STEPS) == 1
    assert main(["fit", "--resume", str(parts)]) == 0
    assert differences(whole, parts) == []
    assert seen == undisturbed
    assert len(seen) == 6
    losses = [
        float(row["train/loss"]) for row in rows_of(whole / "metrics.csv") if row["train/loss"]
    ]
    assert all(math.isfinite(loss) and loss > 0 for loss in losses)
    first_epoch = [image for batch in undisturbed[:4] for image in batch]
    assert len(set(first_epoch)) < 16 or name == "repeat factor"
    for run in (whole, parts):  # what was asked for is what a resumed run goes on with
        options = yaml.safe_load((run / "config.yaml").read_text())["data"]["init_args"]
        assert options["class_crops"] == (0 if name == "repeat factor" else 0.5)
        assert options["sampling"] == MADE[name]


@pytest.mark.parametrize("path", ["RepeatFactor", "lit_seg.data.sampling.RepeatFactor"])
def test_a_configuration_file_may_name_it(
    path: str, tmp_path: Path, few_streets: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[SegDataModule] = []
    original = SegDataModule.train_dataloader

    def spy(self: SegDataModule) -> Any:
        made.append(self)
        return original(self)

    monkeypatch.setattr(SegDataModule, "train_dataloader", spy)
    sampling = {"class_path": path, "init_args": {"threshold": 0.3}}
    config = tmp_path / "mine.yaml"
    config.write_text(yaml.safe_dump({"data": {"init_args": {"sampling": sampling}}}))
    one_step = ("--trainer.max_steps", "1", "--trainer.limit_val_batches", "1")
    assert fit(tmp_path / "run", "--config", str(config), *one_step) == 0
    assert type(made[0].sampling).__name__ == "RepeatFactor"
    assert made[0].sampling is not None
    assert vars(made[0].sampling)["threshold"] == 0.3


def test_a_configuration_file_may_not_name_what_is_no_sampling(
    tmp_path: Path, few_streets: None, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "mine.yaml"
    for path in ("os.system", "lit_seg.data.sampling.shuffled", "lit_seg.data.Streets"):
        sampling = {"class_path": path}
        config.write_text(yaml.safe_dump({"data": {"init_args": {"sampling": sampling}}}))
        assert fit(tmp_path / "run", "--config", str(config)) == 2
        assert len(errors(capsys)) == 1


def errors(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = capsys.readouterr().err.splitlines()
    return [line for line in lines if line.startswith("error: ") or "Traceback" in line]


SAMPLING = "--data.init_args.sampling"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((SAMPLING, "RepeatFactr"), ("`data.sampling`", "RepeatFactr")),
        ((*REPEAT_FACTOR, f"{SAMPLING}.treshold", "1"), ("`data.sampling", "'treshold'")),
        ((*REPEAT_FACTOR, f"{SAMPLING}.threshold", "0"), ("`threshold`", "got 0")),
        ((*CLASS_AWARE, f"{SAMPLING}.temperature", "0"), ("`temperature`", "got 0")),
        ((*CLASS_AWARE, f"{SAMPLING}.temperature", "warm"), ("temperature`", "warm")),
        ((*CLASS_AWARE, f"{SAMPLING}.min_pixels", "0"), ("`min_pixels`", "got 0")),
        (("--data.init_args.class_crops", "1.5"), ("`class_crops`", "got 1.5")),
        (("--data.init_args.class_crop", "1"), ("`data`", "'class_crop'")),
    ],
)
def test_a_bad_option_is_named_in_one_line(
    options: tuple[str, ...],
    said: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fit(tmp_path / "run", *options) == 2
    (line,) = errors(capsys)
    assert all(part in line for part in said)
    assert not (tmp_path / "run").exists()


def test_labels_without_a_class_are_named_in_one_line(
    tmp_path: Path,
    few_streets: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    void = np.full((128, 192), 255, np.uint8)
    monkeypatch.setattr(streets.RenderedSplit, "label", lambda self, index: void)
    assert fit(tmp_path / "run", *CLASS_AWARE) == 2
    (line,) = errors(capsys)
    assert "all training labels are void" in line


@pytest.mark.slow
def test_two_ranks_train_on_what_one_process_trains_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four steps of four images; one that comes twice in a step may come on both ranks."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(streets, "_SPLITS", {**few_streets_cli.SPLITS, "val": (1, 1)})
        assert main([*arguments(tmp_path / "one", "ce", ranks=1), *CLASS_AWARE, *CLASS_CROPS]) == 0
    subprocess.run(
        [*torchrun(2), *arguments(tmp_path / "two", "ce", 2), *CLASS_AWARE, *CLASS_CROPS],
        env={**os.environ, "VAL_IMAGES": "1"},
        timeout=300,
        check=True,
    )
    losses = column(tmp_path / "one", "train/loss")
    assert len(set(losses)) == 4
    assert column(tmp_path / "two", "train/loss") == pytest.approx(losses, rel=1e-6)
    one, two = (at_the_end(tmp_path / folder) for folder in ("one", "two"))
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, rtol=1e-13, atol=1e-9, equal_nan=True)
