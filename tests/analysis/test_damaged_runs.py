"""A comparison with a damaged run: the run is named and left out, the others are compared."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lit_seg.analysis.comparison import compare
from lit_seg.analysis.run_groups import Method, group
from lit_seg.diagnosis.run_record import read_run
from lit_seg.errors import RunError
from lit_seg.runs.run import find_runs
from tests.analysis.fabricated import write_run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    for loss in ("ce", "recall"):
        for seed in (0, 1, 2):
            write_run(folder, loss, seed, images=3, logged=4, validations=3, pictures=False)
    return folder


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "runs")


def folder(root: Path, loss: str = "recall") -> Path:
    return root / "camvid" / "unet_resnet18" / loss / "seed0"


def found(root: Path) -> tuple[dict[str, list[int]], list[str], list[Method]]:
    methods, warnings = group(find_runs([root]), "ce")
    return {method.label: method.seeds for method in methods}, warnings, methods


def halve(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: (len(lines) + 1) // 2]))


def swap(path: Path) -> None:
    lines = path.read_text().splitlines()
    image, name, labelled, predicted, _ = lines[4].split(",")
    lines[4] = f"{image},{name},{labelled},{predicted},{int(labelled) + 1}"
    path.write_text("\n".join([*lines, ""]))


def garbage(path: Path) -> None:
    with path.open("a") as file:
        file.write("garbage,,,\n")


@pytest.mark.parametrize(
    ("file", "spoil", "says"),
    [
        ("val_images.csv", halve, r"val_images\.csv: its mean IoU is .* last validation in metric"),
        ("val_images.csv", swap, r"val_images\.csv: the row of tree in image000 is damaged"),
        ("metrics.csv", garbage, r"metrics\.csv: holds what is no number .*garbage"),
        ("cost.csv", garbage, r"cost\.csv: "),
        ("dataset.csv", garbage, r"dataset\.csv: "),
    ],
)
def test_a_damaged_run_is_left_out(
    root: Path, file: str, spoil: Callable[[Path], None], says: str
) -> None:
    assert found(root)[:2] == ({"ce": [0, 1, 2], "recall": [0, 1, 2]}, [])
    spoil(folder(root) / file)
    seeds, warnings, _ = found(root)
    assert seeds == {"ce": [0, 1, 2], "recall": [1, 2]}
    start = r"\*\*camvid/unet_resnet18/recall/seed0 is damaged and left out:\*\* "
    (warning,) = warnings
    with pytest.raises(RunError, match=start + says):
        raise RunError(warning)
    assert compare([root], draws=20).difference("recall", "miou") is not None
    with pytest.raises(RunError, match=rf"none can be used; .*seed0 is damaged: {says}"):
        found(folder(root))


def test_a_cut_log_of_a_finished_run_is_told(root: Path) -> None:
    halve(folder(root) / "metrics.csv")
    (warning,) = found(root)[1]
    assert "is damaged and left out" in warning
    assert "metrics.csv: is cut, it ends after 180 of 540 steps" in warning


def test_a_run_that_was_stopped_early_is_told(root: Path) -> None:
    path = folder(root) / "summary.json"
    content = path.read_text().replace('"epochs": null', '"epochs": 1')
    path.write_text(content.replace('"trainer.max_steps": 540', '"trainer.max_epochs": 2'))
    seeds, (warning,), _ = found(root)
    assert seeds == {"ce": [0, 1, 2], "recall": [0, 1, 2]}
    assert warning.startswith("camvid/unet_resnet18/recall/seed0 finished after 1 of the 2 epochs")


def test_a_run_without_a_summary_has_not_finished(root: Path) -> None:
    """Whatever else lies there, also of a run of a version that wrote no summary."""
    (folder(root) / "summary.json").unlink()
    (folder(root) / "val_table.md").write_text("| class |\n")
    seeds, (warning,), _ = found(root)
    assert seeds == {"ce": [0, 1, 2], "recall": [1, 2]}
    assert "recall/seed0 is not finished (540 steps)" in warning


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"finished"', '"failed"', "is not finished (540 steps)"),
        ('"schema": 1', '"schema": true', "summary.json: is damaged (schema is True, not a whole"),
        ('"schema": 1', '"schema": 2', "summary.json: is of another version"),
        ('"steps": 540', '"steps": "540"', "summary.json: is damaged (steps is '540', not a whole"),
        ('"cost": {', '"cost": {"x": [],', "summary.json: is damaged (cost.x is [], not a finite"),
        ('"cost": {', '"cost": {"x": Infinity,', "is damaged (cost.x is inf, not a finite number"),
        ('"miou": 0', '"miou": 7', "summary.json: is damaged (scores.overall.miou is 7."),
        ('"classes": {', '"classes": {"x": 3,', "is damaged (scores.classes.x is 3, not a mapping"),
        ('"iou": 0.9', '"iou": 0.8', "iou of road is"),
        ('"pixel_acc": 0.8', '"pixel_acc": 0.7', "val_images.csv: its pixel accuracy is 8"),
    ],
)
def test_a_summary_that_says_something_else_is_told(
    root: Path, old: str, new: str, says: str
) -> None:
    path = folder(root) / "summary.json"
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new, 1))
    seeds, (warning,), _ = found(root)
    assert seeds == {"ce": [0, 1, 2], "recall": [1, 2]}
    assert says in warning


def test_the_diagnosis_of_a_run_with_other_scores_is_refused(root: Path) -> None:
    path = folder(root) / "summary.json"
    path.write_text(path.read_text().replace('"iou": 0.9', '"iou": 0.8', 1))
    with pytest.raises(RunError, match=r"iou of road is .*summary\.json.*RESUME"):
        read_run(folder(root))


def test_a_dataset_with_other_pixels_than_the_summary_is_told(root: Path) -> None:
    """Both say which classes are rare."""
    path = folder(root) / "dataset.csv"
    lines = path.read_text().splitlines()
    first, last = (lines[i].split(",") for i in (1, -1))
    lines[1], lines[-1] = ",".join([first[0], *last[1:]]), ",".join([last[0], *first[1:]])
    path.write_text("\n".join([*lines, ""]))
    with pytest.raises(RunError, match=r"dataset\.csv: .*training pixels.*summary\.json.*RESUME"):
        read_run(folder(root))
    (warning, *_) = found(root)[1]
    assert "recall/seed0 is damaged and left out:** dataset.csv: " in warning


def test_a_summary_without_scores_is_told(root: Path) -> None:
    path = folder(root) / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"scores": None}))
    (warning,) = found(root)[1]
    assert "summary.json: holds no scores, the run was never validated" in warning


def test_seeds_without_counts_are_left_out_where_others_have_them(root: Path) -> None:
    (folder(root, "ce") / "val_images.csv").unlink()
    comparison = compare([root], draws=50)
    row = comparison.difference("recall", "miou")
    assert row is not None
    assert row["seeds"] == 2
    assert row["low"] <= row["value"] <= row["high"]
    assert any("**seed 0 of ce is left out:** no val_images.csv" in w for w in comparison.warnings)
    for run in folder(root, "ce").parent.iterdir():
        (run / "val_images.csv").unlink(missing_ok=True)
    assert found(root)[0] == {"ce": [0, 1, 2], "recall": [0, 1, 2]}  # none has them: all count


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.8])
def test_a_damaged_configuration_changes_nothing(root: Path, kept: float) -> None:
    """The summary holds the options."""
    path = folder(root) / "config.yaml"
    origin = read_run(folder(root)).origin
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    assert read_run(folder(root)).origin == origin
    comparison = compare([root], draws=20)
    assert {method.label: method.seeds for method in comparison.methods} == {
        "ce": [0, 1, 2],
        "recall": [0, 1, 2],
    }
    assert not comparison.settings
    assert not comparison.warnings


def test_a_damaged_summary_is_left_out(root: Path) -> None:
    halve(folder(root) / "summary.json")
    seeds, (warning,), _ = found(root)
    assert seeds == {"ce": [0, 1, 2], "recall": [1, 2]}
    assert "recall/seed0 is damaged and left out:** summary.json: is damaged" in warning
