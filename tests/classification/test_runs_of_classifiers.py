"""Runs of classifiers by the command line: their files, both stages, and what a kill leaves."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lit_seg.analysis.comparison import compare
from lit_seg.analysis.learning import curve
from lit_seg.classification import classifier
from lit_seg.classification.classifier import LitClassifier
from lit_seg.classification.cli import main
from lit_seg.classification.compare import train
from lit_seg.classification.rows import ROWS, is_second, run_of
from lit_seg.classification.table import evaluation_of
from lit_seg.cli.commands.report import main as report
from lit_seg.cli.main import main as main_of_segmentation
from lit_seg.diagnosis.advice import advise
from lit_seg.diagnosis.evidence import weigh
from lit_seg.diagnosis.run_record import read_run
from lit_seg.diagnosis.verdict import judge
from lit_seg.errors import RunError
from lit_seg.runs.reader import COUNTS
from tests.conftest import make_once
from tests.same import differences

# two epochs of five steps, and pictures of nobody
FEW = [
    *("--trainer.max_epochs", "2", "--trainer.check_val_every_n_epoch", "1"),
    *("--data.init_args.batch_size", "64", "--trainer.num_sanity_val_steps", "0"),
    *("--trainer.enable_progress_bar", "false", "--class_dynamics.every_n_steps", "1"),
]
FAILS_AT = 7


def command(model: str, loss: str, runs: Path, *options: str, seed: int = 0) -> list[str]:
    return run_of("digits_lt", model, loss, seed, runs, [*FEW, *options]).command


@pytest.fixture(scope="module")
def runs(shared_folder: Path) -> Path:
    """cRT and its first stage, as `make train` makes them."""
    folder = shared_folder / "classifiers"

    def make() -> None:
        given = ["--data", "digits_lt", "--runs", str(folder)]
        assert train([*given, "--model", "crt", "--loss", "ce", *FEW]) == 0

    make_once(folder, make)
    return folder / "digits_lt"


def test_a_second_stage_begins_with_the_backbone_of_the_first(runs: Path) -> None:
    first, second = (
        torch.load(runs / name / "ce/seed0/checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in ("plain", "crt")
    )
    frozen = [key for key in first if key.startswith("method.backbone")]
    assert len(frozen) > 10
    assert all(torch.equal(first[key], second[key]) for key in frozen)
    assert not torch.equal(first["method.head.weight"], second["method.head.weight"])


def test_a_training_is_given_again(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--data", "digits_lt", "--runs", str(runs.parent)]
    assert train([*given, "--model", "sdn", "--first_stage"]) == 0
    assert not (runs / "sdn").exists()
    assert train([*given, "--model", "crt", "--loss", "ce", "--first_stage"]) == 0
    assert "plain/ce/seed0: finished" in capsys.readouterr().out
    # what has finished is not trained anew: other options would do nothing
    again = [*given, "--model", "crt", *FEW]
    assert train([*again, "--model.nope", "3"]) == 2
    message = capsys.readouterr().err
    assert "crt/ce/seed0 was started with no more than that, now it is --model.nope 3" in message
    assert train([*again, "--trust", "json"]) == 0
    assert "crt/ce/seed0: finished" in capsys.readouterr().out
    other = ["--model", "lws", "--loss", "ldam", "--seed", "1"]
    assert train([*given, *other]) == 2, "before the first stage is trained"
    assert "`head` must be 'linear' in lws" in capsys.readouterr().err
    assert not (runs / "plain/ce/seed1").exists()
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert train([*given, "--model", "crt", "--seed", "1"]) == 2
    assert "with --first_stage first" in capsys.readouterr().err


def test_a_try_is_no_first_stage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--runs", str(tmp_path), "--model", "crt", *FEW]
    assert train([*given, "--trainer.fast_dev_run", "true"]) == 2
    assert "plain/ce/seed0: a try (`fast_dev_run`) leaves no first stage for crt" in (
        capsys.readouterr().err
    )
    assert not list(tmp_path.rglob("summary.json"))


def test_the_files_of_a_run_agree(runs: Path) -> None:
    run = runs / "crt/ce/seed0"
    images = pd.read_csv(run / "val_images.csv", dtype={"class": str})
    assert list(images) == ["image", "class", *COUNTS]
    by_class = images.groupby("class")[COUNTS].sum()
    summary = json.loads((run / "summary.json").read_text())
    recall = by_class[COUNTS[2]] / by_class[COUNTS[0]]
    for name, row in summary["scores"]["classes"].items():
        assert row["recall"] == pytest.approx(recall[name])
    metrics = pd.read_csv(run / "metrics.csv")
    last = metrics.dropna(subset=["val/macc"]).iloc[-1]
    assert last["val/macc"] == pytest.approx(recall.mean(), abs=1e-6)
    few = [name for name, row in summary["scores"]["classes"].items() if row["train_pixels"] < 20]
    assert last["val/few"] == pytest.approx(recall[few].mean(), abs=1e-6)
    assert set(pd.read_csv(run / "classes.csv")["stat"]) >= {"recall", "gradient_share"}
    assert len(pd.read_csv(run / "dataset.csv")) == 10


def test_a_run_that_ended_has_test_scores(runs: Path) -> None:
    scores = evaluation_of(runs / "crt/ce/seed0")
    assert scores is not None
    assert {"many", "medium", "few", "pixel_acc"} <= scores.keys()
    # 50 test images of each class
    assert scores["pixel_acc"] == pytest.approx(scores["macc"])


def test_a_diagnosis_counts_images_and_names_the_task(runs: Path) -> None:
    """An image is one pixel there: 20 images of a class are enough, and `make` needs the task."""
    run = read_run(runs / "crt/ce/seed0")
    evidence = weigh(run)
    assert evidence.tail_measured == (5, 5)
    assert evidence.sizes is None  # the mask of a class would be the whole image
    accuracy = [of.recall for of in evidence.per_class.values()]
    weights = sorted(run.pixels or [], reverse=True)
    assert evidence.overall == pytest.approx(np.average(accuracy, weights=weights))
    reasons = " ".join(judge(run, evidence).reasons)
    assert "few-shot" in reasons
    assert "pixel" not in reasons
    assert "--model.stage_one" not in (run.origin.args or [])
    assert run.origin.train("focal").startswith("make train LOSS=focal DATA=digits_lt MODEL=crt")
    assert "TASK=classification" in run.origin.train("focal")
    assert run.resume().startswith("make train TASK=classification RESUME=")


def test_a_report_is_of_images_and_compares_methods_with_plain(runs: Path, tmp_path: Path) -> None:
    found = compare([runs / name / "ce/seed0" for name in ("crt", "plain")], draws=20)
    assert list(found.groups) == ["many", "medium", "few"]
    base = found.baseline
    assert base is not None
    assert base.model == "plain"
    (other,) = (method for method in found.methods if method is not base)
    assert found.difference(other.label, "macc") is not None
    given = [str(runs / name / "ce/seed0") for name in ("plain", "crt")]
    assert report([*given, "--out", str(tmp_path)]) == 0
    text = (tmp_path / "report.md").read_text()
    assert "ixel" not in text
    assert "few-shot" in text
    # a name that is a number, in the tables of three scores
    assert sum(line.startswith("| 7 | ") for line in text.splitlines()) == 3
    assert not [option for option in found.settings if option.startswith("model.method")]
    few = found.scores[found.scores["stat"] == "tail_recall"].set_index("method")["value"]
    metrics = pd.read_csv(runs / "plain/ce/seed0/metrics.csv").dropna(subset=["val/few"])
    assert few[base.label] == pytest.approx(metrics["val/few"].iloc[-1], abs=1e-6)
    curves = curve(found, "tail_recall")
    assert curves[curves["method"] == base.label]["value"].tolist() == pytest.approx(
        metrics["val/few"].tolist()
    )


def test_over_seeds_that_draw_what_is_rare_a_class_is_its_place(runs: Path, tmp_path: Path) -> None:
    assert main(command("plain", "ce", tmp_path, seed=1)) == 0
    seeds = [runs / "plain/ce/seed0", tmp_path / "digits_lt/plain/ce/seed1"]
    counts = [pd.read_csv(run / "dataset.csv")["train_pixels"].to_numpy() for run in seeds]
    assert counts[0].tolist() != counts[1].tolist()
    found = compare(seeds, draws=20)
    assert found.train_pixels == sorted(counts[0], reverse=True)
    assert found.classes[:2] == ["124 images", "80 images"]
    assert any("Each seed draws" in line for line in found.warnings)
    for seed, (run, of_run) in enumerate(zip(seeds, counts, strict=True)):
        scores = json.loads((run / "summary.json").read_text())["scores"]["classes"]
        rarest = scores[str(of_run.argmin())]["recall"]
        rows = found.class_scores.query("seed == @seed and `class` == '2 images'")
        assert rows.set_index("stat").loc["recall", "value"] == rarest
        labelled = np.asarray(found.counts["ce", seed])[..., 0].sum(0)
        images = pd.read_csv(run / "val_images.csv")
        of_class = images.groupby("class")["labelled"].sum()
        assert labelled[-1] == of_class[of_run.argmin()]
    drawn = found.log[found.log["stat"] == "class/recall"]
    assert set(drawn["class"]) <= set(found.classes)


def test_one_seed_with_other_counts_is_other_data(runs: Path, tmp_path: Path) -> None:
    other = tmp_path / "digits_lt/sdn/ce/seed0"
    shutil.copytree(runs / "plain/ce/seed0", other)
    for name in ("summary.json", "dataset.csv"):  # the class of 3 images has 2, and the other way
        text = (other / name).read_text()
        pairs = [('"train_pixels": 2,', '"train_pixels": 3,'), (",2,#", ",3,#")]
        for one, two in pairs:
            text = text.replace(one, "?").replace(two, one).replace("?", two)
        (other / name).write_text(text)
    with pytest.raises(RunError, match="has 2 training images and 3; compare runs of one dataset"):
        compare([runs / "plain/ce/seed0", other], draws=20)


def test_segmentation_sends_a_run_to_its_own_command_line(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_of_segmentation(["validate", "--ckpt_path", str(runs / "crt/ce/seed0")]) == 2
    assert "take `python -m lit_seg.classification`" in capsys.readouterr().err


def test_a_larger_network_is_no_model_of_segmentation(runs: Path) -> None:
    run = read_run(runs / "plain/ce/seed0")
    advice = advise("too_hard", run, replace(weigh(run), rise=0.0))
    assert "--model.network" in advice.why
    assert not advice.command


def test_a_checkpoint_is_loaded_by_itself(runs: Path, tmp_path: Path) -> None:
    file = tmp_path / "last.ckpt"
    shutil.copy(runs / "crt/ce/seed0/checkpoints/last.ckpt", file)
    module = LitClassifier.load_from_checkpoint(file).eval()
    images = torch.randint(256, (2, 1, 8, 8), dtype=torch.uint8)
    assert module(images).shape == (2, 10)
    assert sum(module.class_pixels) == 342


def gone(path: str, *_: object) -> None:
    raise RunError(f"{path}: no such run")


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param(("crt", "ce"), id="second stage"),
        pytest.param(("plain", "ce"), id="first stage", marks=pytest.mark.slow),
        pytest.param(("sdn", "recall"), id="state of recall", marks=pytest.mark.slow),
        pytest.param(("bbn", "ce"), id="two orders", marks=pytest.mark.slow),
        pytest.param(("oltr", "ce"), id="centroids", marks=pytest.mark.slow),
        pytest.param(("plain", "focal_drw"), id="deferred", marks=pytest.mark.slow),
    ],
)
def test_a_run_that_failed_goes_on_to_the_same_bits(
    stage: tuple[str, str], runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, loss = stage
    undisturbed = runs / model / loss / "seed0"
    if not undisturbed.exists():
        assert main(command(model, loss, runs.parent)) == 0
    first = ["--model.stage_one", str(runs / "plain/ce/seed0")] if is_second(model) else []
    folder = tmp_path / "digits_lt" / model / loss / "seed0"
    step = LitClassifier.training_step

    def failing(self: LitClassifier, batch: object, batch_idx: int) -> torch.Tensor:
        if self.global_step == FAILS_AT:
            raise RuntimeError("something that no one expects")
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(LitClassifier, "training_step", failing)
        assert main([*command(model, loss, tmp_path), *first]) == 1
    assert not (folder / "summary.json").exists()
    with monkeypatch.context() as patch:  # the first stage may be gone by then
        patch.setattr(classifier, "load_first_stage", gone)
        assert main(["fit", "--resume", str(folder)]) == 0
    assert differences(folder, undisturbed) == []


def test_scores_of_other_weights_or_of_some_images_are_no_row(runs: Path, tmp_path: Path) -> None:
    content = json.loads((runs / "crt/ce/seed0/evaluation/test/scores.json").read_text())
    assert content["whole"]
    given = ({}, {"checkpoint": "best.ckpt"}, {"whole": False})
    for number, other in enumerate(given):
        folder = tmp_path / f"evaluation/test-{number}"
        folder.mkdir(parents=True)
        scores = {"scores": {"few": number / 8}}
        (folder / "scores.json").write_text(json.dumps(content | scores | other))
        os.utime(folder / "scores.json", (number, number))
    assert evaluation_of(tmp_path) == {"few": 0.0}
    shutil.rmtree(tmp_path / "evaluation/test-0")
    assert evaluation_of(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", '{"scores": {"many": []}}', "[" * 200_000])
def test_scores_that_are_damaged_are_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "evaluation" / "test" / "scores.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(RunError, match=r"scores\.json: is damaged \(.*\); remove it"):
        evaluation_of(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_every_method_learns_and_is_tested(name: str, runs: Path, tmp_path: Path) -> None:
    row = ROWS[name]
    longer = [*FEW, "--trainer.max_epochs", "8"]
    first = ["--model.stage_one", str(runs / "plain/ce/seed0")] if is_second(row.model) else []
    run = run_of("digits_lt", row.model, row.loss, 0, tmp_path, [*longer, *first])
    assert main(run.command) == 0
    scores = evaluation_of(run.folder)
    assert scores is not None
    # one class for all images gives a tenth, and the first stage of the second ones is as short
    assert scores["macc"] >= (0.1 if is_second(row.model) else 0.15)


def test_a_second_stage_without_the_first_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command("crt", "ce", tmp_path)) == 2
    message = capsys.readouterr().err
    assert f"{tmp_path}/digits_lt/plain/ce/seed0: no such run" in message
