"""A comparison with a damaged run: the run is named and left out, the others are compared."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lit_seg.analysis.comparison import compare
from lit_seg.analysis.run_groups import Arm, find_runs, group
from lit_seg.errors import RunError
from tests.analysis.fabricated import write_run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for loss in ("ce", "recall"):
        for seed in (0, 1, 2):
            write_run(tmp_path, loss, seed, images=3, logged=4, validations=3, pictures=False)
    return tmp_path


def folder(root: Path, loss: str = "recall") -> Path:
    return root / "camvid" / "unet_resnet18" / loss / "seed0"


def found(root: Path) -> tuple[dict[str, list[int]], list[str], list[Arm]]:
    arms, warnings = group(find_runs([root]), "ce")
    return {arm.label: arm.seeds for arm in arms}, warnings, arms


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
    path = folder(root) / "metrics.csv"
    halve(path)
    (warning,) = found(root)[1]
    assert "is damaged and left out" in warning
    assert warning.endswith("(metrics.csv ends after 180 of the 540 steps of its config.yaml)")
    for run in (folder(root), folder(root).with_name("seed1")):
        (run / "val_images.csv").unlink()  # nothing contradicts it: stopped early, or cut
    folder(root).with_name("seed2").rename(root / "away")
    seeds, warnings, _ = found(root / "camvid")
    assert seeds == {"ce": [0, 1, 2], "recall": [1], "recall, 0.33x": [0]}
    assert "finished and its metrics.csv ends after 180 of the 540 steps" in warnings[0]
    assert warnings[1].startswith("**recall, 0.33x was trained for 180 steps**")


def test_epochs_and_other_seeds_tell_the_length_too(root: Path) -> None:
    for run in (folder(root), folder(root).with_name("seed1")):
        (run / "val_images.csv").unlink()
        config = run / "config.yaml"
        config.write_text(config.read_text().replace("max_steps: 540", "max_epochs: 2"))
    path = folder(root) / "metrics.csv"
    halve(path)
    assert "after 180 steps, camvid/unet_resnet18/recall/seed1 of" in "".join(found(root)[1])
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([f"{header},epoch", *(f"{row},0" for row in rows), ""]))
    assert "ends after 1 of the 2 epochs of its config.yaml" in "".join(found(root)[1])


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
def test_a_damaged_configuration_is_one_line(root: Path, kept: float) -> None:
    path = folder(root) / "config.yaml"
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    comparison = compare([root], draws=20)
    assert [arm.label for arm in comparison.arms if arm.seeds == [0, 1, 2]] == ["ce", "recall"] or [
        arm.label for arm in comparison.arms
    ] == ["recall", "ce"]
    (warning,) = comparison.warnings
    assert "config.yaml of camvid/unet_resnet18/recall/seed0 is damaged or incomplete" in warning
    assert not comparison.settings


def test_an_unreadable_configuration_is_no_end_of_the_report(root: Path) -> None:
    (folder(root) / "config.yaml").write_text("trainer: {max_steps")
    seeds, (warning,), _ = found(root)
    assert seeds == {"ce": [0, 1, 2], "recall": [0, 1, 2]}
    assert "seed0 is damaged or incomplete; what it lacks is taken to be as in" in warning
