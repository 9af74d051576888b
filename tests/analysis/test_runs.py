"""Runs as tables."""

import os
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

from lit_seg.analysis import load_classes, load_metrics, newest_run, plot_trajectories
from lit_seg.errors import RunError

matplotlib.use("Agg")


def test_classes_hold_training_statistics_and_validation_scores(run: Path) -> None:
    table = load_classes([run, run])
    assert list(table.columns) == ["run", "step", "stat", "class", "value"]
    stats = {"recall", "weight", "weight_norm", "val_iou", "val_recall", "val_precision"}
    assert set(table["stat"]) == stats
    norm = table[table["stat"] == "weight_norm"]
    sums = norm.groupby("step")["value"].sum() / 2  # the run is loaded twice
    assert sums.to_numpy() == pytest.approx(1)


def test_metrics_leave_classes_out(run: Path) -> None:
    table = load_metrics([run])
    assert {"train/loss", "val/miou"} <= set(table["metric"])
    assert not table["metric"].str.contains("road").any()
    assert len(table[table["metric"] == "train/loss"]) == 8


def test_the_newest_run_is_found(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run yet"):
        newest_run(tmp_path)
    for age, name in enumerate(("new", "old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "metrics.csv").touch()
        os.utime(tmp_path / name / "metrics.csv", (1000 - age, 1000 - age))
    assert newest_run(tmp_path).name == "new"


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is it the folder of a run"):
        load_classes([tmp_path])


def test_trajectories_draw_a_line_per_class(run: Path) -> None:
    _, axes = plt.subplots()
    plot_trajectories(load_classes([run]), "weight", axes)
    assert len(axes.lines) == 12
    with pytest.raises(ValueError, match=r"no statistic 'wait' .* weight"):
        plot_trajectories(load_classes([run]), "wait", axes)
