"""Runs as tables, read from their folders."""

import math
import os
import shutil
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from lit_seg.analysis import (
    load_dataset,
    load_images,
    load_runs,
    newest_run,
    plot_trajectories,
    run_folders,
)
from lit_seg.errors import RunError

matplotlib.use("Agg")

COLUMNS = ["run", "data", "model", "loss", "seed", "step", "stat", "class", "value"]


def write_run(folder: Path, offset: float = 0.0) -> Path:
    """The files of a small run of two classes."""
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(
        "step,train/loss,epoch,val/miou,val/iou/road,val/precision/NA\n"
        f"0,{1 + offset},0.0,,,\n"
        f"9,,0.0,{0.5 + offset},0.25,nan\n"
    )
    (folder / "classes.csv").write_text("step,stat,class,value\n0,recall,road,0.5\n0,recall,NA,1\n")
    (folder / "cost.csv").write_text("step,cost,value\n9,step_seconds,0.125\n")
    (folder / "val_images.csv").write_text(
        "image,class,labelled,predicted,hits\na b,road,10,12,8\na b,NA,0,3,0\n"
    )
    (folder / "dataset.csv").write_text(
        "class,train_pixels,colour\nroad,90,#804080\nNA,10,#ffffff\n"
    )
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_run(tmp_path / "runs" / "town" / "unet_r18" / "recall" / "seed3-2")


def test_every_value_is_a_row(small: Path) -> None:
    table = load_runs(small)
    assert list(table.columns) == COLUMNS
    name = ("town/unet_r18/recall/seed3-2", "town", "unet_r18", "recall", 3)
    assert set(table[COLUMNS[:5]].itertuples(index=False, name=None)) == {name}
    rows = [
        (step, stat, of, "nan" if math.isnan(value) else value)
        for step, stat, of, value in table[COLUMNS[5:]].itertuples(index=False)
    ]
    assert rows == [
        (0, "class/recall", "NA", 1.0),
        (0, "class/recall", "road", 0.5),
        (9, "cost/step_seconds", "", 0.125),
        (0, "train/loss", "", 1.0),
        (9, "val/iou", "road", 0.25),
        (9, "val/miou", "", 0.5),
        (9, "val/precision", "NA", "nan"),  # logged and not defined, unlike an empty cell
    ]


def test_all_runs_below_a_folder_are_found_once_and_in_order(tmp_path: Path) -> None:
    for loss, seed in (("recall", 1), ("ce", 0), ("recall", 0)):
        write_run(tmp_path / "runs" / "town" / "unet" / loss / f"seed{seed}")
    town = tmp_path / "runs" / "town"
    expected = [f"town/unet/{end}" for end in ("ce/seed0", "recall/seed0", "recall/seed1")]
    assert list(load_runs(tmp_path)["run"].unique()) == expected
    sources = [town / "unet" / "recall" / "seed1", town, tmp_path / "runs" / ".." / "runs"]
    assert list(load_runs(sources)["run"].unique()) == [expected[2], *expected[:2]]
    assert len(load_runs(sources)) == len(load_runs(tmp_path))
    assert list(run_folders(town)) == expected
    assert run_folders(town)[expected[0]] == town / "unet" / "ce" / "seed0"


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for place, loss in (("short", "ce"), ("long", "ce"), ("long", "recall")):
        write_run(tmp_path / place / "town" / "unet" / loss / "seed0", offset=len(place))
    runs = load_runs(tmp_path)
    loss = runs[runs["stat"] == "train/loss"].set_index("run")["value"].to_dict()
    ends = {"long/town/unet/ce/seed0": 5, "short/town/unet/ce/seed0": 6}
    assert loss == {**ends, "town/unet/recall/seed0": 5}
    assert set(load_images(tmp_path)["run"]) == set(loss)


def test_elsewhere_the_configuration_names_the_run(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for file in ("metrics.csv", "classes.csv", "config.yaml"):
        shutil.copy(run / file, folder)
    row = load_runs(folder).iloc[0]
    encoder = "unet_tu-test_byobnet"
    assert list(row[COLUMNS[1:5]]) == ["streets", encoder, "recall", 0]
    (folder / "config.yaml").write_text("seed_everything: 0\n")
    with pytest.raises(RunError, match=r"mine: its path does not end in <data>/.* move it to such"):
        load_runs(folder)


@pytest.mark.parametrize("end", ["", "9,1", "19,0.", '19,0.5,0.0,,,\n29,"'])
def test_a_run_that_is_writing_is_read_to_its_last_whole_line(small: Path, end: str) -> None:
    before = load_runs(small)
    with (small / "metrics.csv").open("a") as file:
        file.write(end)
    after = load_runs(small)
    new = end.count("\n")
    assert len(after) == len(before) + new
    assert (after["step"] == 19).sum() == new


def test_a_run_that_has_logged_one_of_its_files(small: Path) -> None:
    (small / "metrics.csv").unlink()
    assert set(load_runs(small)["stat"]) == {"class/recall", "cost/step_seconds"}
    shutil.move(small / "classes.csv", small / "metrics.csv")
    (small / "metrics.csv").write_text("step,tra")
    assert set(load_runs(small)["stat"]) == {"cost/step_seconds"}


def test_of_what_was_logged_again_the_last_counts(small: Path) -> None:
    with (small / "classes.csv").open("a") as file:
        file.write("0,recall,road,0.75\n")
    table = load_runs(small)
    of_road = table[(table["stat"] == "class/recall") & (table["class"] == "road")]
    assert of_road["value"].tolist() == [0.75]


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("metrics.csv", "step,val/miou\n0,high\n", r"metrics.csv: holds what is no number.*high"),
        ("metrics.csv", "step,val/miou\n0,1,2,3\n", "metrics.csv: cannot be read as CSV"),
        (
            "classes.csv",
            "step,stat,class,value\n0,a\n",
            "classes.csv: holds what is no number",
        ),
        ("classes.csv", "step,class,value\n0,a,1\n", "classes.csv: has no column stat"),
        ("val_images.csv", "image,class\na,b\n", "has no column labelled, predicted, hits"),
        (
            "val_images.csv",
            "image,class,labelled,predicted,hits\na,b,1,2,x\n",
            r"val_images.csv: holds what is no number.*x",
        ),
        ("val_images.csv", None, "val_images.csv: is not there, .* or train it anew"),
        ("dataset.csv", None, "dataset.csv: is not there"),
    ],
)
def test_what_is_damaged_is_named(small: Path, file: str, text: str | None, says: str) -> None:
    (small / file).unlink() if text is None else (small / file).write_text(text)
    with pytest.raises(RunError, match=says):
        (load_runs(small), load_images(small), load_dataset(small))


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    for load in (load_runs, load_images, run_folders):
        with pytest.raises(RunError, match="nowhere: there is no such folder"):
            load([tmp_path / "nowhere"])
        with pytest.raises(RunError, match="holds no run, which would have"):
            load(str(tmp_path))
    with pytest.raises(RunError, match="nowhere: there is no such folder"):
        load_dataset(tmp_path / "nowhere")
    (tmp_path / "config.yaml").touch()
    with pytest.raises(RunError, match=r"has a config\.yaml but logged nothing yet"):
        load_runs(tmp_path)


def test_images_and_dataset(small: Path) -> None:
    images = load_images([small])
    assert list(images.columns) == [
        *COLUMNS[:5],
        *("image", "class", "labelled", "predicted", "hits"),
    ]
    assert images.iloc[:, 4:].to_numpy().tolist() == [
        [3, "a b", "road", 10, 12, 8],
        [3, "a b", "NA", 0, 3, 0],
    ]
    assert load_dataset(small).to_numpy().tolist() == [
        ["road", 90, "#804080"],
        ["NA", 10, "#ffffff"],
    ]


def test_the_newest_run_is_found(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run yet"):
        newest_run(tmp_path)
    for age, (name, file) in enumerate((("new", "classes.csv"), ("old", "metrics.csv"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
        os.utime(tmp_path / name / file, (1000 - age, 1000 - age))
    assert newest_run(tmp_path).name == "new"


def test_every_name_has_something_drawn() -> None:
    """After one validation there is no line yet; a class without a value has no name."""
    rows = [(0, "val/iou", "a", 0.5), (0, "val/iou", "b", float("nan"))]
    _, axes = plt.subplots()
    plot_trajectories(
        pd.DataFrame(rows, columns=["step", "stat", "class", "value"]), "val/iou", axes
    )
    assert [text.get_text() for text in axes.texts] == ["a"]
    assert [line.get_marker() for line in axes.lines] == ["o"]


def test_trajectories_draw_a_line_per_class(run: Path) -> None:
    _, axes = plt.subplots()
    runs = load_runs(run)
    plot_trajectories(runs, "class/weight", axes)
    assert len(axes.lines) == 12
    assert len({(line.get_color(), line.get_linestyle()) for line in axes.lines}) == 12
    with pytest.raises(ValueError, match=r"no statistic 'class/wait' .* class/weight"):
        plot_trajectories(runs, "class/wait", axes)
