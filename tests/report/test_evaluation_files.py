"""The files of an evaluation, against the same computed in another way."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lit_seg.analysis.bootstrap import default_rng
from lit_seg.metrics.mask_sizes import MASK_SIZE_BINS, size_bin
from lit_seg.report.evaluation_files import Scored, best_tau, tau_table, write_scores

RANDOM = np.random.default_rng(1)
TRUTH = RANDOM.choice(4, (30, 20, 20), p=[0.7, 0.2, 0.1, 0])
PREDICTED = np.where(RANDOM.random(TRUTH.shape) < 0.7, TRUTH, RANDOM.integers(0, 3, TRUTH.shape))


def scored() -> Scored:
    counts = np.array(
        [
            [[(t == c).sum(), (p == c).sum(), ((t == c) & (p == c)).sum()] for c in range(4)]
            for t, p in zip(TRUTH, PREDICTED, strict=True)
        ]
    )
    confusion = np.array(
        [[((a == TRUTH) & (b == PREDICTED)).sum() for b in range(4)] for a in range(4)]
    )
    half = np.diag(np.diag(confusion)) + confusion // 2
    return Scored(
        ["sky", "a, b", "pole", "none"], [700, 200, 100, 0], [f"f/{i}" for i in range(30)],
        counts, confusion, counts.sum(axis=0) // 2, [0, 1, 2], np.stack([confusion, half, half]),
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scores")
    write_scores(folder, scored(), {"split": "val"})
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


def test_scores_of_classes(folder: Path) -> None:
    content = json.loads((folder / "scores.json").read_text())
    assert (content["split"], content["images"]) == ("val", 30)
    table = rows(folder / "class_scores.csv")
    assert [row["class"] for row in table] == ["sky", "a, b", "pole", "none"]
    for c, row in enumerate(table[:3]):
        true, predicted = c == TRUTH, c == PREDICTED
        both = (true & predicted).sum()
        assert float(row["iou"]) == pytest.approx(both / (true | predicted).sum())
        assert float(row["dice"]) == pytest.approx(2 * both / (true.sum() + predicted.sum()))
        assert float(row["boundary_iou"]) == pytest.approx(float(row["iou"]), abs=0.02)
        assert content["classes"][row["class"]]["recall"] == pytest.approx(both / true.sum())
    assert table[3]["iou"] == ""
    assert content["classes"]["none"]["iou"] is None
    iou = [float(row["iou"]) for row in table[:3]]
    assert content["overall"]["miou"] == pytest.approx(np.mean(iou))
    assert content["overall"]["dice_error"] == pytest.approx(sum(1 - 2 * i / (1 + i) for i in iou))


def test_intervals_are_percentiles_of_resampled_images(folder: Path) -> None:
    content = json.loads((folder / "scores.json").read_text())
    right = (TRUTH == PREDICTED).mean(axis=(1, 2))
    drawn = [right[default_rng(7 + i).integers(0, 30, 30)].mean() for i in range(2000)]
    expected = np.quantile(drawn, [0.025, 0.975])
    assert content["intervals"]["pixel_acc"] == pytest.approx(expected, abs=2e-3)
    low, high = content["classes"]["pole"]["iou_low"], content["classes"]["pole"]["iou_high"]
    assert low < content["classes"]["pole"]["iou"] < high


def test_scores_of_images(folder: Path) -> None:
    row = rows(folder / "images.csv")[4]
    true, predicted = TRUTH[4], PREDICTED[4]
    iou = [
        ((true == c) & (predicted == c)).sum() / ((true == c) | (predicted == c)).sum()
        for c in range(3)
    ]
    assert (row["image"], row["labelled"]) == ("f/4", "400")
    assert float(row["miou"]) == pytest.approx(np.mean(iou))
    assert float(row["pixel_acc"]) == pytest.approx((true == predicted).mean())


def test_recall_by_size_is_a_mean_over_masks(folder: Path) -> None:
    masks: dict[tuple[str, str], list[float]] = {}
    for true, predicted in zip(TRUTH, PREDICTED, strict=True):
        for c, name in enumerate(["sky", "a, b", "pole"]):
            if (mask := true == c).any():
                place = name, MASK_SIZE_BINS[int(size_bin(mask.mean()))]
                masks.setdefault(place, []).append(float((predicted == c)[mask].mean()))
    found = {(r["class"], r["bin"]): float(r["recall"]) for r in rows(folder / "mask_sizes.csv")}
    assert found == pytest.approx({place: np.mean(each) for place, each in masks.items()})
    content = json.loads((folder / "scores.json").read_text())
    assert sum(each["masks"] for each in content["mask_sizes"].values()) == 90


def test_confusion_and_pictures(folder: Path) -> None:
    found = pd.read_csv(folder / "confusion.csv", index_col="truth")
    assert found.loc["sky", "a, b"] == ((TRUTH == 0) & (PREDICTED == 1)).sum()
    for name in ("confusion", "tau"):
        with Image.open(folder / f"{name}.png") as picture:
            assert min(picture.size) > 200


def test_the_best_strength_is_the_lowest_of_equals(folder: Path) -> None:
    table = tau_table(scored())
    assert table["tau"].tolist() == [0, 1, 2]
    assert table["pixel_acc"][0] == pytest.approx((TRUTH == PREDICTED).mean())
    assert best_tau(table, "miou") == 1
    assert best_tau(table.assign(miou=np.nan), "miou") == 0
    assert [float(row["tau"]) for row in rows(folder / "tau.csv")] == [0, 1, 2]
