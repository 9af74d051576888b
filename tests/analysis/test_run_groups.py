"""Runs of one dataset are pooled, those of several told apart or refused."""

import json
from pathlib import Path

import pytest

from lit_seg.analysis.run_groups import Method, group
from lit_seg.errors import RunError
from lit_seg.runs.run import find_runs
from tests.analysis.fabricated import write_run


def write(root: Path, loss: str, seed: int, **options: object) -> Path:
    few = {"images": 2, "steps": 40, "logged": 2, "validations": 1, "pictures": False}
    return write_run(root, loss, seed, **{**few, **options})  # type: ignore[arg-type]


def methods_of(root: Path) -> tuple[dict[str, list[int]], list[str], list[Method]]:
    methods, warnings = group(find_runs([root]), "ce")
    return {method.label: method.seeds for method in methods}, warnings, methods


def test_folders_that_are_budgets_of_one_dataset_are_pooled(tmp_path: Path) -> None:
    for data, steps in (("camvid", 40), ("camvid_x3", 120)):
        for seed in (0, 1):
            write(tmp_path, "ce", seed, data=data, steps=steps)
    seeds, warnings, methods = methods_of(tmp_path)
    assert seeds == {"ce": [0, 1], "ce, 3x": [0, 1]}
    assert {method.data for method in methods} == {"camvid"}
    assert not warnings


@pytest.mark.parametrize(
    ("height", "steps"),
    [
        pytest.param(240, 40, id="other options"),
        pytest.param(240, 80, id="other options and steps"),
        pytest.param(120, 40, id="another validation set, say"),
    ],
)
def test_other_data_is_told_apart(tmp_path: Path, height: int, steps: int) -> None:
    for loss in ("ce", "recall"):
        write(tmp_path, loss, 0)
        write(tmp_path, loss, 0, data="camvid_hires", height=height, steps=steps)
    seeds, warnings, _ = methods_of(tmp_path)
    more = ", 2x" if steps == 80 else ""
    assert sorted(seeds) == sorted(
        f"{loss}{budget} ({data})"
        for loss in ("ce", "recall")
        for budget, data in (("", "camvid"), (more, "camvid_hires"))
    )
    assert len(warnings) == 1
    assert "Runs of 2 datasets or versions of one** (camvid, camvid_hires)" in warnings[0]


def test_folders_of_ones_own_with_the_same_class_names_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "ce", 0, data="mine")
    other = write(tmp_path, "recall", 0, data="yours")
    for path in (other / "dataset.csv", other / "summary.json"):
        path.write_text(path.read_text().replace("20076880,", "20076881,"))
    with pytest.raises(RunError, match=r"other data than mine/.*road has 20076881 training pixels"):
        methods_of(tmp_path)


def test_a_folder_with_the_name_of_another_loss_is_told(tmp_path: Path) -> None:
    for loss, trained in (
        ("recall", "CrossEntropyLoss"),
        ("ce", "mine.CELoss"),
        ("pat", "PATLoss"),
    ):
        path = write(tmp_path, loss, 0) / "summary.json"
        content = json.loads(path.read_text())
        content["options"]["model.loss.class_path"] = trained
        path.write_text(json.dumps(content))
    _, warnings, _ = methods_of(tmp_path)
    assert [("/ce/" in w, "mine.CELoss" in w) for w in warnings] == [(True, True), (False, False)]
    assert "/recall/seed0 was trained with CrossEntropyLoss" in warnings[1]


def test_without_a_dataset_file_other_names_are_told_apart(tmp_path: Path) -> None:
    for data, steps in (("camvid", 40), ("camvid_x3", 120)):
        (write(tmp_path, "ce", 0, data=data, steps=steps) / "dataset.csv").unlink()
    seeds, warnings, _ = methods_of(tmp_path)
    assert list(seeds) == ["ce (camvid)", "ce, 3x (camvid_x3)"]
    assert len(warnings) == 1


def test_a_run_that_is_replaced_by_another_kind_of_run_is_told(tmp_path: Path) -> None:
    first = write(tmp_path, "ce", 0)
    write(tmp_path / "b", "ce", 0, height=240).rename(first.with_name("seed0-2"))
    _, warnings, _ = methods_of(tmp_path)
    assert warnings == [
        "seed 0 of ce was run more than once; camvid/unet_resnet18/ce/seed0-2 counts, which "
        "differs in data.init_args.height"
    ]


def test_networks_are_told_apart(tmp_path: Path) -> None:
    write(tmp_path, "ce", 0)
    path = write(tmp_path / "b", "ce", 1) / "summary.json"
    path.write_text(path.read_text().replace("resnet18", "resnet50"))
    path.parents[2].rename(path.parents[2].with_name("unet_resnet50"))
    seeds, _, _ = methods_of(tmp_path)
    assert seeds == {"ce (unet_resnet18)": [0], "ce (unet_resnet50)": [1]}
