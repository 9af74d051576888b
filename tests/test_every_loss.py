"""Each LOSS trains through the command that `make train` runs, on few and small streets."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from lit_seg.cli.main import main
from lit_seg.losses.catalogue import every_loss
from lit_seg.tasks import LitSegmenter
from tests.conftest import EXPERIMENTS
from tests.same import differences
from tests.test_cli import fit, rows_of

LOSSES = sorted(path.stem for path in (EXPERIMENTS / "loss").glob("*.yaml"))
SHORT = ("--trainer.max_epochs", "-1", "--trainer.limit_val_batches", "1")

pytestmark = pytest.mark.usefixtures("few_streets")


def config_of(loss: str) -> dict[str, Any]:
    config = yaml.safe_load((EXPERIMENTS / "loss" / f"{loss}.yaml").read_text())
    found: dict[str, Any] = config["model"]["loss"]
    return found


def class_of(loss: str) -> str:
    path: str = config_of(loss)["class_path"]
    return path.removeprefix("lit_seg.losses.")


def test_each_configuration_is_named_on_the_card_of_its_class() -> None:
    named = {(name, cls.__name__) for cls in every_loss() for name in cls.card.name.split(", ")}
    assert named == {(loss, class_of(loss)) for loss in LOSSES}


def trained(loss: str) -> Any:
    """Those of one kind, such as weights from counts, train alike."""
    kinds = ("blv", "ldam_drw", "metric_weighted", "pat", "seesaw", "soft_tversky", "wce")
    return pytest.param(loss, marks=() if loss in kinds else pytest.mark.slow)


@pytest.mark.parametrize("loss", map(trained, LOSSES))
def test_it_trains_and_its_checkpoint_loads(loss: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert fit(run, *SHORT, "--trainer.max_steps", "2", loss=loss) == 0
    rows = rows_of(run / "metrics.csv")
    losses = [float(row["train/loss"]) for row in rows if row["train/loss"]]
    assert all(math.isfinite(value) and value > 0 for value in losses)
    assert len(set(losses)) == 2
    scores = [row for row in rows if row["val/miou"]]
    assert math.isfinite(float(scores[-1]["val/ce"]))
    model = LitSegmenter.load_from_checkpoint(run / "checkpoints" / "last.ckpt")
    assert type(model.loss).__name__ == class_of(loss)
    logits = torch.randn(1, 12, 4, 4)
    assert model.loss.eval()(logits, torch.zeros(1, 4, 4, dtype=torch.long)).isfinite()


PARTS = ["blv", "ldam_drw", "metric_weighted", "seesaw"]


def test_a_stopped_run_ends_like_an_undisturbed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: Callable[..., Path]
) -> None:
    """Noise, progress, scores and counts: each kind of state that recall loss does not have."""
    losses = [config_of(name) for name in PARTS]
    everything = {"class_path": "WeightedSumLoss", "init_args": {"losses": losses}}
    config = tmp_path / "loss.yaml"
    config.write_text(yaml.safe_dump({"model": {"loss": everything}}))
    options = ("--config", str(config), *SHORT, "--trainer.max_steps", "6")
    whole = uninterrupted(*options)
    step = LitSegmenter.training_step

    def fails(self: LitSegmenter, *args: Any) -> torch.Tensor:
        if self.global_step == 5:  # DRW has just begun to weigh
            raise RuntimeError("stopped")
        return step(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(LitSegmenter, "training_step", fails)
        assert fit(tmp_path / "parts", *options) == 1
    assert main(["fit", "--resume", str(tmp_path / "parts")]) == 0
    assert differences(whole, tmp_path / "parts") == []
