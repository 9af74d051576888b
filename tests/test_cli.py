"""The commands as a user gives them, on a few small streets."""

import csv
from pathlib import Path

import pytest
import torch
from PIL import Image

from lit_seg.cli import complete_arguments, main
from lit_seg.data import SegDataModule
from lit_seg.tasks import LitSegmenter
from tests.conftest import TINY, layers


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def fit(folder: Path, *more: str, loss: str = "recall") -> int:
    return main(["fit", *layers(loss), *TINY, "--run", str(folder), *more])


@pytest.fixture(autouse=True)
def _no_wandb(monkeypatch: pytest.MonkeyPatch, few_streets: None) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")  # it costs seconds; `run` is the one that logs


def test_a_run_leaves_its_files(run: Path) -> None:
    found = {str(p.relative_to(run)) for p in run.rglob("*") if "wandb/" not in str(p)}
    assert found >= {
        "config.yaml",
        "checkpoints/last.ckpt",
        "checkpoints/best.ckpt",
        "metrics.csv",
        "classes.csv",
        "overlays.png",
        "val_table.md",
        "wandb_id.txt",
    }
    # 4 pictures below each other; image, truth, prediction and errors beside each other
    assert Image.open(run / "overlays.png").size == (4 * 96, 4 * (64 + 4))
    table = (run / "val_table.md").read_text()
    assert "| road |" in table
    assert "| tail (4) |" in table
    assert "of 12 classes" in table


def test_metrics_are_logged(run: Path) -> None:
    rows = rows_of(run / "metrics.csv")
    assert [int(row["step"]) for row in rows if row["train/loss"]] == list(range(8))
    validations = [row for row in rows if row["val/miou"]]
    assert [int(row["step"]) for row in validations] == [3, 7]
    for key in ("loss", "ce", "miou", "macc", "mprec", "pixel_acc"):
        assert float(validations[-1][f"val/{key}"]) >= 0
    assert 0 <= float(validations[-1]["val/iou/road"]) <= 1
    assert 0 <= float(validations[-1]["val/recall/road"]) <= 1


def test_class_dynamics_are_logged_per_step_and_class(run: Path) -> None:
    rows = rows_of(run / "classes.csv")
    weights = {
        (int(row["step"]), row["class"]): float(row["value"])
        for row in rows
        if row["stat"] == "weight"
    }
    assert {step for step, _ in weights} == set(range(8))
    assert len({name for _, name in weights}) == 12
    for stat, expected in (("recall", lambda w, _: 1 - w), ("weight_norm", lambda w, s: w / s)):
        for row in rows:
            if row["stat"] == stat:
                step = int(row["step"])
                total = sum(w for (at, _), w in weights.items() if at == step)
                want = expected(weights[step, row["class"]], total)
                assert float(row["value"]) == pytest.approx(want, abs=1e-9)


def test_a_run_is_repeatable_and_another_seed_is_another_run(run: Path, tmp_path: Path) -> None:
    for seed in ("0", "1"):
        again = ("--trainer.max_epochs", "2", "--seed_everything", seed)
        assert fit(tmp_path / seed, *again) == 0
    for name in ("classes.csv", "metrics.csv"):
        assert (tmp_path / "0" / name).read_bytes() == (run / name).read_bytes()
        assert (tmp_path / "1" / name).read_bytes() != (run / name).read_bytes()


def test_the_seed_reaches_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = []
    original = SegDataModule.train_dataloader

    def spy(self: SegDataModule) -> object:
        seeds.append(self.seed)
        return original(self)

    monkeypatch.setattr(SegDataModule, "train_dataloader", spy)
    assert fit(tmp_path / "run", "--seed_everything", "3", "--trainer.max_steps", "1") == 0
    assert set(seeds) == {3}


def test_classes_reach_the_model(run: Path) -> None:
    model = LitSegmenter.load_from_checkpoint(run / "checkpoints/last.ckpt", weights_only=True)
    assert model.class_names[:2] == ["sky", "building"]
    assert model.class_pixels[0] == 1415079


def test_the_checkpoint_holds_the_recall_state(run: Path) -> None:
    state = torch.load(run / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    last = {r["class"]: float(r["value"]) for r in rows_of(run / "classes.csv")
            if r["stat"] == "recall" and r["step"] == "7"}  # fmt: skip
    assert len(last) >= 6
    names = LitSegmenter.load_from_checkpoint(run / "checkpoints/last.ckpt").class_names
    for name, value in last.items():
        assert state["loss.state.recall"][names.index(name)].item() == pytest.approx(value)


@pytest.mark.parametrize("target", ["", "checkpoints/best.ckpt"])
def test_validate_needs_nothing_but_the_run(
    run: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / "metrics.csv").read_bytes()
    assert main(["validate", "--ckpt_path", str(run / target)]) == 0
    assert "val scores of best.ckpt" in capsys.readouterr().out
    assert (run / "metrics.csv").read_bytes() == before


def test_validating_the_last_checkpoint_gives_the_scores_of_the_run(
    run: Path,
) -> None:
    assert main(["validate", "--ckpt_path", str(run / "checkpoints/last.ckpt")]) == 0
    assert (run / "val_table-last.md").read_text() == (run / "val_table.md").read_text()


def test_test_and_predict_write_their_results(run: Path) -> None:
    assert main(["test", f"--ckpt_path={run}"]) == 0
    assert "| road |" in (run / "test_table-best.md").read_text()
    assert main(["predict", "--ckpt_path", str(run)]) == 0
    labels = Image.open(run / "predictions" / "scene_0005.png")
    assert labels.size == (96, 64)
    assert labels.getextrema()[1] < 12
    assert Image.open(run / "predictions" / "scene_0005_overlay.png").mode == "RGB"


def test_a_second_run_does_not_overwrite_the_first(tmp_path: Path) -> None:
    for _ in range(2):
        assert fit(tmp_path / "seed0", "--trainer.max_steps", "1", loss="ce") == 0
    assert (tmp_path / "seed0-2" / "config.yaml").is_file()


def test_resume_continues_state_and_logs(tmp_path: Path) -> None:
    folder = tmp_path / "seed0"
    assert fit(folder, "--trainer.max_epochs", "1", "--model.loss.momentum", "0.9") == 0
    before = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    assert main(["fit", "--resume", str(folder), "--trainer.max_epochs", "2"]) == 0
    after = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    assert (before["global_step"], after["global_step"]) == (4, 8)
    steps = [int(row["step"]) for row in rows_of(folder / "metrics.csv") if row["train/loss"]]
    assert steps == list(range(8))
    # the moving average goes on from the stored state: nine tenths of it are still there
    recall = [
        {r["class"]: float(r["value"]) for r in rows_of(folder / "classes.csv")
         if r["stat"] == "recall" and r["step"] == str(step)}
        for step in (3, 4)
    ]  # fmt: skip
    for name, value in recall[1].items():
        assert 0.9 * recall[0].get(name, 0) <= value + 1e-9


def test_resume_drops_rows_that_it_will_log_again(tmp_path: Path) -> None:
    folder = tmp_path / "seed0"
    assert fit(folder, "--trainer.max_epochs", "1") == 0
    with (folder / "classes.csv").open("a") as file:  # as if the run had gone on and been killed
        file.write("4,recall,road,0.123\n")
    assert main(["fit", "--resume", str(folder), "--trainer.max_epochs", "2"]) == 0
    rows = [(r["step"], r["stat"], r["class"]) for r in rows_of(folder / "classes.csv")]
    assert len(rows) == len(set(rows))
    assert not [r for r in rows_of(folder / "classes.csv") if r["value"] == "0.123"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_leaves_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    step = LitSegmenter.training_step

    def failing(self: LitSegmenter, batch: object, batch_idx: int) -> object:
        if self.global_step == 2:
            raise error
        return step(self, batch, batch_idx)  # type: ignore[arg-type]

    monkeypatch.setattr(LitSegmenter, "training_step", failing)
    with pytest.raises((SystemExit, error)):
        fit(tmp_path / "seed0")
    checkpoint = torch.load(tmp_path / "seed0/checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 2
    monkeypatch.setattr(LitSegmenter, "training_step", step)
    args = ["fit", "--resume", str(tmp_path / "seed0"), "--trainer.max_steps", "4"]
    assert main(args) == 0


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["fit", "--resume", "{tmp}/nosuch"], "nosuch: no such run"),
        (["validate", "--ckpt_path", "{tmp}/nosuch"], "nosuch: no such run"),
        (["validate", "--ckpt_path", "{tmp}"], "not part of a run"),
    ],
)
def test_a_run_that_is_not_there_is_named(
    args: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([arg.format(tmp=tmp_path) for arg in args]) == 2
    assert message in capsys.readouterr().err


def test_bad_values_are_refused_with_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(tmp_path, "--model.loss.momentum", "1.2") == 2
    assert "`momentum` must be in [0, 1), got 1.2" in capsys.readouterr().err
    assert fit(tmp_path, "--model.architecture", "unett") == 2
    assert "unetplusplus" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        fit(tmp_path, "--model.loss.momentumm", "0.5")
    assert "momentumm" in capsys.readouterr().err


def test_missing_data_ends_with_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "nowhere"))
    args = ["fit", *layers(data="cityscapes"), "--run", str(tmp_path / "run")]
    assert main(args) == 2
    error = capsys.readouterr().err
    assert "cityscapes-dataset.com" in error
    assert str(tmp_path / "nowhere") in error
    assert not (tmp_path / "run").exists()


def test_arguments_of_a_run_come_before_what_the_user_gives(run: Path) -> None:
    args = complete_arguments(["fit", "--resume", str(run), "--trainer.max_epochs", "9"])
    assert args[:3] == ["fit", "--config", str(run / "config.yaml")]
    assert args[-1] == str(run / "checkpoints/last.ckpt")
    assert args.index("--trainer.max_epochs") > args.index("--config")
    assert complete_arguments(["fit", "--run", "x"]) == ["fit", "--run", "x"]
    assert complete_arguments(["--help"]) == ["--help"]
