"""Runs grouped into methods, scored, and compared."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from lit_seg.analysis.comparison import Comparison, compare
from lit_seg.analysis.group_data import masks_of_runs, recall_by_size
from lit_seg.analysis.learning import curve, first_reached, over_seeds
from lit_seg.errors import RunError
from tests.analysis.fabricated import rescore, write_run


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for loss in ("ce", "recall", "wce"):
        for seed in (0, 1, 2):
            write_run(folder, loss, seed, pictures=False)
    return folder


@pytest.fixture(scope="module")
def comparison(root: Path) -> Comparison:
    return compare([root], draws=500)


def test_scores_are_those_of_the_summed_counts(root: Path, comparison: Comparison) -> None:
    table = pd.read_csv(root / "camvid" / "unet_resnet18" / "recall" / "seed1" / "val_images.csv")
    sums = table.groupby("class")[["labelled", "predicted", "hits"]].sum()
    iou = sums["hits"] / (sums["labelled"] + sums["predicted"] - sums["hits"])
    recall, precision = sums["hits"] / sums["labelled"], sums["hits"] / sums["predicted"]
    tail = ["pole", "pedestrian", "bicyclist"]
    expected = {
        "miou": iou.mean(),
        "macc": recall.mean(),
        "mprec": precision.mean(),
        "pixel_acc": sums["hits"].sum() / sums["labelled"].sum(),
        "tail_recall": recall[tail].mean(),
        "tail_precision": precision[tail].mean(),
        "tail_iou": iou[tail].mean(),
    }
    rows = comparison.scores
    rows = rows[(rows["method"] == "recall") & (rows["seed"] == 1)].set_index("stat")["value"]
    assert rows.to_dict() == pytest.approx(expected)
    assert [comparison.classes[c] for c in comparison.tail] == tail


def test_the_baseline_is_first_and_then_the_best(comparison: Comparison) -> None:
    means = comparison.mean_sd("miou")
    assert list(means.index) == ["ce", "recall", "wce"]
    assert means.at["recall", "mean"] > means.at["wce", "mean"]
    assert means["count"].tolist() == [3, 3, 3]
    by_seed = comparison.scores[comparison.scores["stat"] == "miou"]
    of_ce = by_seed[by_seed["method"] == "ce"]["value"]
    assert means.at["ce", "std"] == pytest.approx(np.std(of_ce, ddof=1))


def test_differences_have_the_sign_that_was_put_in(comparison: Comparison) -> None:
    recall = comparison.difference("recall", "tail_recall")
    price = comparison.difference("wce", "tail_precision")
    assert recall is not None
    assert price is not None
    assert recall["real"]
    assert 0 < recall["low"] < recall["value"] < recall["high"]
    assert recall["same_sign"] == 3
    assert price["real"]
    assert price["high"] < 0
    assert (comparison.differences["p_holm"] >= comparison.differences["p"]).all()
    assert comparison.difference("ce", "miou") is None


def test_an_arm_is_one_budget(root: Path) -> None:
    shutil.copytree(root, longer := root.parent / "longer")
    for loss in ("ce", "recall"):
        for seed in (0, 1, 2):
            write_run(longer, loss, seed, data="camvid_x3", steps=1620, pictures=False)
    found = compare([longer], draws=50)
    assert [method.label for method in found.methods] == [
        "ce",
        "recall",
        "wce",
        "recall, 3x",
        "ce, 3x",
    ]
    against = found.differences.drop_duplicates("method").set_index("method")["against"].to_dict()
    assert against == {"recall": "ce", "wce": "ce", "recall, 3x": "ce, 3x", "ce, 3x": "ce"}
    assert not found.settings
    assert not found.warnings


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    write_run(tmp_path / "short", "ce", 0, pictures=False)
    write_run(tmp_path / "long", "ce", 0, steps=1620, pictures=False)
    found = compare([tmp_path], draws=50)
    place = "camvid/unet_resnet18/ce/seed0"
    assert [run.name for run in found.runs] == [f"long/{place}", f"short/{place}"]
    assert [method.label for method in found.methods] == ["ce", "ce, 3x"]


def test_where_runs_lie_changes_nothing(root: Path, comparison: Comparison) -> None:
    moved = root.parent / "moved"
    for loss in ("wce", "recall", "ce"):
        source = root / "camvid" / "unet_resnet18" / loss
        shutil.copytree(source, moved / loss / "camvid" / "unet_resnet18" / loss)
    again = compare([moved / "wce", moved / "recall", moved / "ce"], draws=500)
    pd.testing.assert_frame_equal(again.differences, comparison.differences)
    pd.testing.assert_frame_equal(again.scores, comparison.scores)
    assert [run.name for run in again.runs] == [run.name for run in comparison.runs]


def test_only_common_seeds_are_paired(tmp_path: Path) -> None:
    for loss, seed in (("ce", 0), ("ce", 1), ("recall", 1), ("recall", 2)):
        write_run(tmp_path, loss, seed, pictures=False)
    found = compare([tmp_path], draws=50)
    row = found.difference("recall", "miou")
    assert row is not None
    assert row["seeds"] == 1
    scores = found.scores[found.scores["stat"] == "miou"].set_index(["method", "seed"])["value"]
    assert row["value"] == pytest.approx(scores["recall", 1] - scores["ce", 1])
    assert any("seed 0, 2 is missing" in warning for warning in found.warnings)


def test_settings_that_differ_are_found_and_unfinished_runs_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, "ce", 0, pictures=False)
    write_run(tmp_path, "recall", 0, height=180, pictures=False)
    write_run(tmp_path, "wce", 0, finished=False, pictures=False)
    found = compare([tmp_path], draws=50)
    assert found.settings == {"data.init_args.height": {"120": ["ce"], "180": ["recall"]}}
    assert [method.label for method in found.methods] == ["ce", "recall"]
    assert any("wce/seed0 is not finished" in warning for warning in found.warnings)
    assert len(found.runs) == 3


def test_a_later_attempt_replaces_an_earlier_one(tmp_path: Path) -> None:
    first = write_run(tmp_path, "ce", 0, pictures=False)
    other = write_run(tmp_path / "b", "ce", 1, pictures=False)
    other.rename(first.with_name("seed0-2"))
    found = compare([tmp_path], draws=50)
    assert [run.name for run in found.methods[0].runs] == ["camvid/unet_resnet18/ce/seed0-2"]
    assert any("more than once" in warning for warning in found.warnings)


def test_without_counts_per_image_there_is_no_interval(tmp_path: Path) -> None:
    for loss in ("ce", "recall"):
        whole = write_run(tmp_path / "whole", loss, 0, pictures=False)
        part = write_run(tmp_path / "part", loss, 0, pictures=False)
        (part / "val_images.csv").unlink()
        assert (whole / "val_images.csv").is_file()
    whole_scores = compare([tmp_path / "whole"], draws=50)
    found = compare([tmp_path / "part"], draws=50)
    row = found.difference("recall", "miou")
    expected = whole_scores.difference("recall", "miou")
    assert row is not None
    assert expected is not None
    assert row["value"] == pytest.approx(expected["value"], abs=1e-5)  # as metrics.csv rounds
    assert np.isnan(row["low"])
    assert not row["real"]
    assert any("no val_images.csv" in warning for warning in found.warnings)


def test_a_class_never_predicted_has_no_precision(tmp_path: Path) -> None:
    write_run(tmp_path, "ce", 0, never=["bicyclist"], pictures=False)
    found = compare([tmp_path], draws=50)
    rows = found.class_scores.set_index(["class", "stat"])["value"]
    assert np.isnan(rows["bicyclist", "precision"])
    assert rows["bicyclist", "recall"] == 0
    assert found.differences.empty


def test_precision_is_compared_over_common_classes(tmp_path: Path) -> None:
    for seed in (0, 1):
        rarely = ["pole", "pedestrian", "bicyclist"] if seed else ["bicyclist", "fence"]
        write_run(tmp_path / "whole", "ce", seed, never=rarely, pictures=False)
        write_run(tmp_path / "whole", "wce", seed, pictures=False)
    shutil.copytree(tmp_path / "whole", tmp_path / "part")
    for path in (tmp_path / "part").rglob("val_images.csv"):
        path.unlink()
    found = compare([tmp_path / "whole"], draws=200)
    table = found.class_scores[found.class_scores["stat"] == "precision"]
    wide = table.pivot_table(index=["seed", "class"], columns="method", values="value").dropna()
    each = (wide["wce"] - wide["ce"]).groupby("seed").mean()
    assert wide.groupby("seed").size().tolist() == [9, 8]
    row, tail = found.difference("wce", "mprec"), found.difference("wce", "tail_precision")
    assert row is not None
    assert tail is not None
    assert row["value"] == pytest.approx(each.mean())
    assert row["low"] < row["value"] < row["high"]
    assert (row["seeds"], tail["seeds"]) == (2, 1)
    assert not tail["real"]
    without = compare([tmp_path / "part"], draws=50).difference("wce", "mprec")
    assert without is not None
    assert np.isnan(without["value"])  # nothing tells how often a class is predicted


def test_an_interval_ends_where_a_score_is_impossible(tmp_path: Path) -> None:
    for loss, never in (("ce", ["sky"]), ("wce", ["bicyclist", "pole"])):
        for seed in (0, 1):  # two pairs that contradict each other have endless intervals
            missed = never if seed == (loss == "wce") else []
            write_run(tmp_path, loss, seed, images=6, logged=2, never=missed, pictures=False)
    found = compare([tmp_path], draws=100)
    rows = found.differences.set_index("stat")
    base = found.mean_sd("miou").at["ce", "mean"]
    assert rows.loc["miou", ["low", "high"]].tolist() == pytest.approx([-base, 1 - base])
    assert (rows["low"].dropna() >= -1).all()
    assert rows.at["mprec", "low"] < rows.at["mprec", "value"] < rows.at["mprec", "high"] < 1


def test_a_precision_of_a_few_pixels_does_not_count(tmp_path: Path) -> None:
    tail = ["pole", "pedestrian", "bicyclist"]
    for seed in (0, 1):
        write_run(tmp_path, "wce", seed, pictures=False)
        path = write_run(tmp_path, "ce", seed, never=tail, pictures=False) / "val_images.csv"
        table = pd.read_csv(path)
        labelled = table.loc[table["class"] == "pole", "labelled"].sum()
        for name, pixels in (("bicyclist", 1), ("pole", -(-labelled // 100))):
            row = table.index[(table["class"] == name) & (table["labelled"] >= pixels)][0]
            table.loc[row, ["predicted", "hits"]] = pixels
        table.to_csv(path, index=False)
        rescore(path.parent)
    found = compare([tmp_path], draws=200)
    precision = found.class_scores.query("method == 'ce' and stat == 'precision' and seed == 0")
    values = precision.set_index("class")["value"]
    assert np.isnan(values["bicyclist"])  # one pixel
    assert np.isnan(values["pedestrian"])  # none
    assert values["pole"] == 1  # just 1 % of the labelled
    row = found.difference("wce", "tail_precision")
    assert row is not None
    # all of them in one image, which a third of the resamples lacks: no interval, no difference
    assert np.isnan([row["value"], row["low"], row["p"]]).all()
    assert not row["real"]
    mean = found.difference("wce", "mprec")
    assert mean is not None
    assert mean["low"] < mean["value"] < mean["high"]


def test_a_budget_is_a_family_of_its_own(tmp_path: Path) -> None:
    for loss in ("ce", "recall", "wce"):
        for seed in (0, 1):
            write_run(tmp_path, loss, seed, pictures=False)
            if loss != "wce":
                write_run(tmp_path / "x3", loss, seed, steps=1620, pictures=False)
    table = compare([tmp_path], draws=200).differences.set_index(["method", "stat"])
    alone, two = table.loc[("recall, 3x", "miou")], table.loc[("recall", "miou")]
    assert alone["p_holm"] == alone["p"]
    other = table.loc[("wce", "miou"), "p"]
    assert two["p_holm"] == pytest.approx(
        min(1, 2 * two["p"]) if two["p"] < other else max(two["p"], min(1, 2 * other))
    )


def test_what_cannot_be_compared_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such folder"):
        compare([tmp_path / "nothing"])
    with pytest.raises(RunError, match="holds no run"):
        compare([tmp_path])
    write_run(tmp_path, "recall", 0, finished=False, pictures=False)
    with pytest.raises(RunError, match="none has finished"):
        compare([tmp_path])
    write_run(tmp_path, "wce", 0, pictures=False)
    write_run(tmp_path, "pat", 0, pictures=False)
    with pytest.raises(RunError, match=r"baseline 'ce'; there are pat, wce"):
        compare([tmp_path])
    write_run(tmp_path / "other", "ce", 0, classes=5, pictures=False)
    with pytest.raises(RunError, match="other classes"):
        compare([tmp_path], baseline="wce")


def test_a_run_anywhere_is_named_by_its_configuration(tmp_path: Path) -> None:
    folder = write_run(tmp_path, "ce", 3, pictures=False)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["model"]["loss"]["class_path"] = "lit_seg.losses.SoftIoULoss"
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    plain = folder.rename(tmp_path / "plain")
    (run,) = compare([plain], draws=50).runs
    assert (run.seed, run.model) == (3, "unet_resnet18")
    assert run.name.endswith("plain")


def test_curves_and_when_the_end_of_the_baseline_is_reached(comparison: Comparison) -> None:
    curves = curve(comparison, "miou")
    table = over_seeds(curves, "ce")
    assert (table["min"] <= table["mean"]).all()
    assert (table["mean"] <= table["max"]).all()
    assert len(table) == 6
    target = comparison.mean_sd("miou").at["ce", "mean"]
    reached = first_reached(comparison, "miou").set_index(["method", "seed"])["step"]
    for (label, seed), step in reached.items():
        run = curves[(curves["method"] == label) & (curves["seed"] == seed)]
        before = run[run["step"] + 1 < step] if step == step else run
        assert (before["value"] < target).all()
    assert reached["recall"].max() < 540


def test_tail_curves_are_of_tail_classes(root: Path, comparison: Comparison) -> None:
    wide = pd.read_csv(root / "camvid" / "unet_resnet18" / "ce" / "seed0" / "metrics.csv")
    last = wide.dropna(subset="val/miou").iloc[-1]
    names = ("pole", "pedestrian", "bicyclist")
    curves = curve(comparison, "tail_recall")
    run = curves[(curves["method"] == "ce") & (curves["seed"] == 0)]
    expected = np.mean([last[f"val/recall/{name}"] for name in names])
    assert run["value"].iloc[-1] == pytest.approx(expected)


def test_masks_by_size(comparison: Comparison) -> None:
    found = masks_of_runs(comparison.counts)
    of_truth = found.drop_duplicates(["image", "class"])
    assert len(found) == 9 * len(of_truth)
    assert of_truth.groupby("image")["size"].sum().to_numpy() == pytest.approx(1)
    table = recall_by_size(found)
    small = found[(found["size"] <= 1e-3) & (found["method"] == "wce") & (found["seed"] == 2)]
    row = table[(table["method"] == "wce") & (table["seed"] == 2) & (table["bin"] == "below 0.1 %")]
    assert row["value"].item() == pytest.approx(small["recall"].mean())
