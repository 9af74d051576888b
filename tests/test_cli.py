"""The commands as a user gives them, on a few small streets."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from lit_seg.cli.main import complete_arguments, main
from lit_seg.data import SegDataModule
from lit_seg.diagnosis.run_record import read_run
from lit_seg.inference.prior import write_tau
from lit_seg.runs.reader import newest_run
from lit_seg.runs.run import find_runs
from lit_seg.tasks import LitSegmenter
from tests.conftest import TINY, layers


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def fit(folder: Path, *more: str, loss: str = "recall") -> int:
    return main(["fit", *layers(loss), *TINY, "--run_dir", str(folder), *more])


pytestmark = pytest.mark.usefixtures("few_streets")


def test_a_run_leaves_its_files(run: Path) -> None:
    found = {str(p.relative_to(run)) for p in run.rglob("*") if "wandb/" not in str(p)}
    assert found >= {
        "config.yaml",
        "command.json",
        "checkpoints/last.ckpt",
        "checkpoints/best.ckpt",
        "metrics.csv",
        "classes.csv",
        "overlays.png",
        "val_table.md",
        "wandb_id.txt",
    }
    assert (read_run(run).origin.args or [])[:2] == TINY[:2]
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
    seen = {(int(row["step"]), row["class"]) for row in rows if row["stat"] == "recall"}
    for stat, expected in (("recall", lambda w, _: 1 - w), ("weight_norm", lambda w, s: w / s)):
        for row in rows:
            if row["stat"] == stat:
                step = int(row["step"])
                total = sum(w for (at, c), w in weights.items() if (at, c) in seen and at == step)
                want = expected(weights[step, row["class"]], total)
                assert float(row["value"]) == pytest.approx(want, rel=1e-5, abs=2e-6)


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
        assert state["loss.state.value"][names.index(name)].item() == pytest.approx(value, rel=1e-5)


def evaluations(run: Path) -> set[Path]:
    return set((run / "evaluation").glob("*"))


@pytest.mark.parametrize("target", ["", "checkpoints/best.ckpt"])
def test_validate_needs_nothing_but_the_run(
    run: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before, there = (run / "metrics.csv").read_bytes(), evaluations(run)
    assert main(["validate", str(run / target)]) == 0
    shown = capsys.readouterr().out
    assert "val scores of best.ckpt" in shown
    assert (run / "metrics.csv").read_bytes() == before
    (folder,) = evaluations(run) - there
    assert str(folder) in shown.replace("\n", "")


def test_validating_the_last_checkpoint_gives_the_scores_of_the_run(
    run: Path,
) -> None:
    there, config = evaluations(run), run / "config.yaml"
    before = config.read_text()
    config.write_text(before + "prediction_writer: {folder: null}\n")  # of an earlier version
    assert main(["validate", "--ckpt_path", str(run / "checkpoints/last.ckpt")]) == 0
    config.write_text(before)
    (folder,) = evaluations(run) - there
    assert (folder / "table.md").read_text() == (run / "val_table.md").read_text()
    assert (folder / "val_images.csv").read_bytes() == (run / "val_images.csv").read_bytes()
    ours, theirs = (json.loads((each / "summary.json").read_text()) for each in (folder, run))
    assert [ours[key] for key in ("scores", "steps", "epochs")] == [
        theirs[key] for key in ("scores", "steps", "epochs")
    ]
    record = read_run(folder)  # as `diagnose` does
    assert (record.origin.loss, record.finished) == ("recall", True)
    (found,) = find_runs([folder])  # as `report` does
    assert (found.damage, found.loss, found.data) == ("", "recall", "streets")
    assert newest_run(run) == run


def test_a_strength_chosen_on_validation_is_used_from_then_on(run: Path) -> None:
    views = ["--views.flip", "true", "--views.crop", "[48,64]", "--views.stride", "[16,32]"]
    more = ["--original_size", "true", "--boundary_iou", "true", "--tau_by", "macc"]

    def scores(*options: str) -> dict[str, Any]:
        there = evaluations(run)
        assert main([*options, "--data.init_args.num_workers", "0"]) == 0
        (folder,) = evaluations(run) - there
        return {"folder": folder, **json.loads((folder / "scores.json").read_text())}

    swept = scores("validate", str(run), *views, *more, "--tau_sweep", "true")
    assert swept["options"]["views"] == {
        "crop": [48, 64], "stride": [16, 32], "flip": True, "scales": [1.0]
    }  # fmt: skip
    assert swept["options"]["tau"] == 0
    assert 0 < swept["overall"]["boundary_iou"] < 1
    assert swept["cost"]["images_per_second"] == pytest.approx(6 / swept["cost"]["seconds"])
    pixels = sum(each["labelled"] for each in swept["classes"].values())
    assert 6 * 128 * 192 * 0.9 < pixels <= 6 * 128 * 192  # not those of 64 x 96
    of_taus = {float(row["tau"]): row for row in rows_of(swept["folder"] / "tau.csv")}
    assert float(of_taus[0]["miou"]) == pytest.approx(swept["overall"]["miou"])
    best = max(of_taus, key=lambda tau: float(of_taus[tau]["macc"]))
    assert json.loads((run / "posthoc.json").read_text())["tau"] == best
    write_tau(run, 0.5)  # of which these few images make more than of the best
    balanced = scores("validate", str(run), *views, *more)
    assert balanced["options"]["tau"] == 0.5
    assert balanced["overall"]["macc"] == pytest.approx(float(of_taus[0.5]["macc"]))
    assert scores("test", str(run), "--tau", "0")["options"]["tau"] == 0
    (run / "posthoc.json").unlink()


def test_test_writes_its_results(run: Path) -> None:
    assert main(["test", f"--ckpt_path={run}"]) == 0
    assert "| road |" in (run / "evaluation/test/table.md").read_text()


def test_a_second_run_does_not_overwrite_the_first(tmp_path: Path) -> None:
    for _ in range(2):
        assert fit(tmp_path / "seed0", "--trainer.max_steps", "1", loss="ce") == 0
    assert (tmp_path / "seed0-2" / "config.yaml").is_file()


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
    assert fit(tmp_path, "--model.loss.momentumm", "0.5") == 2
    assert "Option 'momentumm' is not accepted" in capsys.readouterr().err


def test_missing_data_ends_with_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATA_ROOT", str(tmp_path / "nowhere"))
    args = ["fit", *layers(data="cityscapes"), "--run_dir", str(tmp_path / "run")]
    assert main(args) == 2
    error = capsys.readouterr().err
    assert "cityscapes-dataset.com" in error
    assert str(tmp_path / "nowhere") in error
    assert not (tmp_path / "run").exists()


def test_arguments_of_a_run_come_before_what_the_user_gives(run: Path) -> None:
    args = complete_arguments(["fit", "--resume", str(run), "--trainer.max_epochs", "9"])
    assert args[:3] == ["fit", "--config", str(run / "config.yaml")]
    assert args[-2:] == ["--ckpt_path", str(run)]
    assert args.index("--trainer.max_epochs") > args.index("--config")
    assert complete_arguments(["fit", "--run_dir", "x"]) == ["fit", "--run_dir", "x"]
    assert complete_arguments(["--help"]) == ["--help"]


def test_a_schedule_needs_an_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(tmp_path, "--trainer.max_epochs", "-1", "--trainer.max_time", "00:00:00:05") == 2
    assert "a schedule needs an end" in capsys.readouterr().err


def test_an_unfinished_epoch_is_scored_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fit(tmp_path / "a", "--trainer.max_steps", "6") == 0  # four steps are an epoch
    shown = capsys.readouterr().out
    assert "after 6 steps" in shown
    assert "after 4 steps" not in shown
    assert "--trainer.max_epochs -1 --trainer.max_steps 12" in shown
    for name in ("val_table.md", "overlays.png"):
        assert (tmp_path / "a" / name).is_file()
    rows = rows_of(tmp_path / "a" / "metrics.csv")
    scores = {row["step"]: float(row["val/miou"]) for row in rows if row["val/miou"]}
    assert list(scores) == ["3", "5"]
    best = torch.load(tmp_path / "a/checkpoints/best.ckpt", weights_only=True)
    assert best["global_step"] == 1 + int(max(scores, key=scores.__getitem__)) == 6


def test_a_failed_start_leaves_the_name_free(tmp_path: Path) -> None:
    assert fit(tmp_path / "seed0", "--model.init", str(tmp_path / "nosuch.pt")) == 2
    assert fit(tmp_path / "seed0", "--trainer.max_steps", "1") == 0
    assert not (tmp_path / "seed0-2").exists()


@pytest.mark.parametrize("target", ["config.yaml", "broken.ckpt"])
def test_a_file_that_is_no_checkpoint_is_named(
    run: Path, target: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = (run / "checkpoints" / "best.ckpt").read_bytes()
    (run / "broken.ckpt").write_bytes(checkpoint[: len(checkpoint) // 2])
    assert main(["validate", "--ckpt_path", str(run / target)]) == 2
    assert f"{target}: cannot be read as a checkpoint" in capsys.readouterr().err


def test_a_checkpoint_of_other_classes_or_another_loss_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    void = ["--data.init_args.void", "train"]
    assert main(["validate", "--ckpt_path", str(run), *void]) == 2
    assert "trained on the classes sky, building" in capsys.readouterr().err
    config = ["--config", str(run / "config.yaml"), *layers("ce")[-2:]]
    checkpoint = str(run / "checkpoints" / "best.ckpt")
    run_dir = ["--run_dir", str(tmp_path / "x")]
    assert main(["validate", *config, *run_dir, "--ckpt_path", checkpoint]) == 2
    assert "does not fit this network and loss: loss.state.value" in capsys.readouterr().err


def test_a_size_that_the_architecture_cannot_take_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pan = ["--model.architecture", "pan", "--model.options", "{}"]
    small = ["--data.init_args.height", "16", "--data.init_args.width", "16"]
    assert fit(tmp_path / "a", *pan, *small, "--data.init_args.batch_size", "1") == 2
    assert "PAN cannot take 1 image of 16x16" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert fit(Path("/proc/nowhere/run"), "--trainer.max_steps", "1") == 2
    assert "/proc/nowhere" in capsys.readouterr().err


def test_a_small_set_makes_smaller_batches(tmp_path: Path) -> None:
    more = ("--data.init_args.batch_size", "20", "--trainer.max_epochs", "2")
    assert fit(tmp_path / "a", *more) == 0  # there are 16 images: an epoch is one step
    rows = rows_of(tmp_path / "a" / "metrics.csv")
    assert [row["step"] for row in rows if row["train/loss"]] == ["0", "1"]


@pytest.mark.parametrize(
    ("args", "message"),
    [(["fit", "--resume"], "--resume needs a run"), (["validate"], "give --ckpt_path")],
)
def test_a_forgotten_run_is_asked_for(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 2
    assert message in capsys.readouterr().err
