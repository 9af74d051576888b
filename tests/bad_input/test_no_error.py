"""What docs/bad_input.md says is no error."""

import shutil

import numpy as np
import pytest

from lit_seg.cli.main import main
from lit_seg.data import DATASETS
from tests.bad_input.case import World
from tests.data import layouts
from tests.test_cli import rows_of


@pytest.fixture
def world(few_streets, tmp_path, monkeypatch):
    monkeypatch.setattr(DATASETS["camvid"], "native_size", layouts.SIZES["camvid"])
    layouts.camvid(tmp_path / "camvid", ("train", "val"))
    return World(tmp_path, monkeypatch, tmp_path / "camvid", tmp_path, tmp_path / "run")


def losses(folder):
    return [float(r["train/loss"]) for r in rows_of(folder / "metrics.csv") if r["train/loss"]]


def test_a_batch_of_void_has_loss_0(world):
    labels = world.camvid / "trainannot"
    shutil.rmtree(labels)
    for i in range(367):
        layouts.save(labels / f"train_{i:06}.png", np.full((12, 16), 11, np.uint8))
    assert world.on_camvid() == 0
    assert losses(world.tmp / "run") == [0.0]


def test_a_split_that_is_not_there_matters_when_asked_for(world, capsys):
    assert world.on_camvid() == 0
    run = str(world.tmp / "run")
    assert main(["test", "--ckpt_path", run]) == 2
    assert "test.txt: not found" in capsys.readouterr().err


def test_without_logged_steps_nothing_but_validations_is_logged(world):
    assert world.fit("--trainer.log_every_n_steps", "0", steps="4") == 0
    assert (world.tmp / "run" / "metrics.csv").read_text().startswith("step,")
    rows = rows_of(world.tmp / "run" / "metrics.csv")
    assert [bool(row.get("val/miou")) for row in rows] == [True]
