"""A comparison with a damaged run: the run is named and left out, the others are compared."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lit_seg.analysis.comparison import compare
from lit_seg.analysis.run_groups import Method, group
from lit_seg.errors import RunError
from lit_seg.runs.run import find_runs
from tests.analysis.fabricated import make_older, write_run


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


def test_a_cut_log_of_an_older_run_is_told(root: Path) -> None:
    """Without a summary nothing but its configuration says how long it was."""
    make_older(folder(root))
    halve(folder(root) / "metrics.csv")
    (warning,) = found(root)[1]
    assert "is damaged and left out" in warning
    assert "one of the two files is cut" in warning
    (folder(root) / "val_images.csv").unlink()  # nothing contradicts it: stopped early, or cut
    for seed in (1, 2):
        folder(root).with_name(f"seed{seed}").rename(root / f"away{seed}")
    seeds, warnings, _ = found(root / "camvid")
    assert seeds == {"ce": [0, 1, 2], "recall, 0.33x": [0]}
    assert "after 180 of the 540 steps of its configuration" in warnings[0]
    assert warnings[0].endswith("or its metrics.csv is cut")
    assert warnings[1].startswith("**recall, 0.33x was trained for 180 steps**")


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
    assert found(root)[0] == {"ce": [0, 1, 2], "recall": [0, 1, 2]}  # an older version: all count


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.8])
def test_a_damaged_configuration_changes_nothing(root: Path, kept: float) -> None:
    """The summary holds the options."""
    path = folder(root) / "config.yaml"
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    comparison = compare([root], draws=20)
    assert {method.label: method.seeds for method in comparison.methods} == {
        "ce": [0, 1, 2],
        "recall": [0, 1, 2],
    }
    assert not comparison.settings
    assert not comparison.warnings


@pytest.mark.parametrize("kept", [0.3, 0.6])
def test_an_older_run_with_a_damaged_configuration_is_left_out(root: Path, kept: float) -> None:
    make_older(folder(root))
    path = folder(root) / "config.yaml"
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    seeds, (warning,), _ = found(root)
    assert seeds == {"ce": [0, 1, 2], "recall": [1, 2]}
    assert "recall/seed0 is damaged and left out:** config.yaml: is no whole config" in warning


def test_a_damaged_summary_is_left_out(root: Path) -> None:
    halve(folder(root) / "summary.json")
    seeds, (warning,), _ = found(root)
    assert seeds == {"ce": [0, 1, 2], "recall": [1, 2]}
    assert "recall/seed0 is damaged and left out:** summary.json: is damaged" in warning
