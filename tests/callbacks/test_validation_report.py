"""What a validation leaves in the run's folder."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lit_seg.callbacks.validation_report import ValidationReport, chosen_images, image_table
from lit_seg.data import Streets
from tests.test_cli import rows_of


def counts(*labelled: int) -> Tensor:
    """Of an image with so many pixels of each class, all of them predicted as class 0."""
    table = torch.zeros(3, len(labelled), dtype=torch.long)
    table[0] = torch.tensor(labelled)
    table[1, 0] = table[0].sum()
    table[2, 0] = labelled[0]
    return table


def test_a_row_per_image_and_class_that_is_there() -> None:
    table = image_table({"x": counts(5, 0, 2), "y": counts(0, 0, 1)}, ["road", "car", "pole"])
    assert list(csv.reader(table.splitlines())) == [
        ["image", "class", "labelled", "predicted", "hits"],
        ["x", "road", "5", "7", "5"],
        ["x", "pole", "2", "0", "0"],
        ["y", "road", "0", "1", "0"],
        ["y", "pole", "1", "0", "0"],
    ]


def test_images_are_chosen_for_the_rarest_classes_first() -> None:
    images = {
        "a": counts(9, 0, 5),
        "b": counts(9, 3, 4),
        "c": counts(9, 2, 0),
        "d": counts(9, 9, 0),
    }
    assert chosen_images(images, [100, 10, 1], 2) == ["a", "d"]  # most of class 2, most of class 1
    assert chosen_images(images, [100, 1, 10], 1) == ["d"]
    assert chosen_images(images, [100, 10, 1], 9) == ["a", "d", "b", "c"]
    assert chosen_images({}, [1, 2], 3) == []


def test_neighbours_are_passed_over_while_there_are_others() -> None:
    images = {f"{i:02}": counts(9, 10 * (i == 3), 100 - i) for i in range(18)}
    # the most of class 2; of class 1 only 03, too near, has some; of class 0 the next far enough
    assert chosen_images(images, [100, 10, 1], 4) == ["00", "04", "01", "03"]
    assert chosen_images(images, [100, 10, 1], 2) == ["00", "07"]


def test_another_film_is_shown_while_there_is_one() -> None:
    images = {f"{film}_{i}.x": counts(9, 1, 1 + (film == "a")) for film in "ab" for i in range(9)}
    assert chosen_images(images, [100, 10, 1], 2) == ["a_0.x", "b_0.x"]
    assert {name[0] for name in chosen_images(images, [100, 10, 1], 3)} == {"a", "b"}


def test_what_is_predicted_does_not_change_the_choice() -> None:
    images = {"a": counts(9, 0, 5), "b": counts(9, 3, 4)}
    other = {name: table.clone() for name, table in images.items()}
    for table in other.values():
        table[1:] = torch.randint(0, 9, table[1:].shape)
    assert chosen_images(images, [3, 2, 1], 2) == chosen_images(other, [3, 2, 1], 2)


def test_the_scores_of_the_run_follow_from_its_counts(run: Path) -> None:
    rows = rows_of(run / "val_images.csv")
    assert len({row["image"] for row in rows}) == 6
    last = [row for row in rows_of(run / "metrics.csv") if row["val/miou"]][-1]
    for name in {row["class"] for row in rows}:
        own = [row for row in rows if row["class"] == name]
        labelled, predicted, hits = (
            sum(int(row[key]) for row in own) for key in ("labelled", "predicted", "hits")
        )
        iou = hits / (labelled + predicted - hits)
        assert float(last[f"val/iou/{name}"]) == pytest.approx(iou, abs=1e-6)


def test_pictures_are_those_of_the_counts(run: Path) -> None:
    rows = {(row["image"], row["class"]): row for row in rows_of(run / "val_images.csv")}
    names = sorted(
        path.name.removesuffix("_truth.png") for path in run.glob("pictures/*_truth.png")
    )
    assert len(names) == 4
    road = Streets.names.index("road")
    for name in names:
        truth, prediction = (
            np.array(Image.open(run / f"pictures/{name}_{kind}.png"))
            for kind in ("truth", "prediction")
        )
        assert Image.open(run / f"pictures/{name}_image.jpg").size == (96, 64)
        row = rows[name, "road"]
        assert int(row["labelled"]) == (truth == road).sum()
        assert int(row["hits"]) == ((truth == road) & (prediction == road)).sum()


def test_the_dataset_is_described(run: Path) -> None:
    rows = rows_of(run / "dataset.csv")
    assert [row["class"] for row in rows] == list(Streets.names)
    assert rows[0]["train_pixels"] == "1415079"
    assert all(len(row["colour"]) == 7 and int(row["colour"][1:], 16) >= 0 for row in rows)


def test_the_number_of_pictures_is_checked() -> None:
    with pytest.raises(ValueError, match="`num_images` must not be negative, got -1"):
        ValidationReport(-1)
