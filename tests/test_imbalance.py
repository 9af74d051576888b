"""Numbers and groups of class imbalance, and the table that a run starts with."""

import math
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
from rich.console import Console

from lit_seg.callbacks.imbalance_report import ImbalanceReport, write_classes
from lit_seg.cli.main import main
from lit_seg.data.base import SegDataModule
from lit_seg.data.imbalance import imbalance_line, imbalance_table
from lit_seg.metrics.frequency_groups import frequency_groups, gini
from lit_seg.metrics.labels import ClassCounts
from tests.conftest import TINY, layers


@pytest.mark.parametrize("seed", range(5))
def test_gini_is_the_mean_difference_over_twice_the_mean(seed):
    pixels = np.random.default_rng(seed).integers(0, 1000, 7)
    differences = [abs(int(a) - int(b)) for a in pixels for b in pixels]
    assert gini(pixels.tolist()) == pytest.approx(np.mean(differences) / (2 * pixels.mean()))


def test_gini_at_its_ends():
    assert gini([5, 5, 5]) == 0
    assert gini([0] * 99 + [7]) == pytest.approx(0.99)
    assert math.isnan(gini([0, 0]))


def test_groups_are_thirds_by_frequency():
    assert frequency_groups([5, 50, 1, 500, 9]) == {"head": [3, 1], "medium": [4, 0], "tail": [2]}
    assert frequency_groups([1, 2]) == {"head": [1], "tail": [0]}
    assert frequency_groups([3, 3, 3]) == {"head": [0], "medium": [1], "tail": [2]}


def test_the_line_names_the_ends_and_what_is_absent():
    line = imbalance_line(ClassCounts([100, 0, 2]), ["road", "train", "rider"])
    assert "road has 50 times the pixels of rider" in line
    assert line.endswith("no training pixel of train")
    assert "no training pixel" not in imbalance_line(ClassCounts([1, 1]), ["a", "b"])
    assert "nan" in imbalance_line(ClassCounts([0, 0]), ["a", "b"])
    assert "times" not in imbalance_line(ClassCounts([0, 5]), ["a", "b"])
    assert "a has 1.5 times the pixels of b" in imbalance_line(ClassCounts([3, 2]), ["a", "b"])


def test_names_are_shown_as_they_are():
    """Not as markup of rich."""
    names = ["car [small]", "car [/big]"]
    console = Console(width=100)
    with console.capture() as shown:
        console.print(imbalance_table(ClassCounts([7, 2]), names, "[red]these"))
    assert all(text in shown.get() for text in (*names, "[red]these"))


def test_the_table_shows_share_images_and_group():
    counts = ClassCounts([70, 20, 10], [4, 3, 1])
    console = Console(width=100)
    with console.capture() as shown:
        console.print(imbalance_table(counts, ["sky", "car", "rider"], "these"))
    rows = [line.split("│")[1:-1] for line in shown.get().splitlines() if line.startswith("│")]
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["sky", "70", "4", "head"],
        ["car", "20", "3", "medium"],
        ["rider", "10", "1", "tail"],
    ]


def test_a_long_table_is_cut_in_the_middle():
    names = [f"c{i}" for i in range(150)]
    table = imbalance_table(ClassCounts(list(range(150, 0, -1))), names, "x")
    assert table.row_count == 25
    cells = list(map(str, table.columns[0].cells))
    assert cells[0] == "c0"
    assert cells[12] == "... 126 more"
    assert cells[-1] == "c149"
    assert imbalance_table(ClassCounts([1] * 25), names[:25], "x").row_count == 25


@pytest.mark.parametrize("show", [True, False])
def test_a_run_starts_with_it(few_streets, tmp_path, capsys, show):
    args = ["--trainer.max_steps", "1", "--run_dir", str(tmp_path / "run")]
    report = [] if show else ["--imbalance_report.show", "false"]
    assert main(["fit", *layers(), *TINY, *args, *report]) == 0
    out = capsys.readouterr().out
    assert ("training set of streets" in out) == show
    assert ("imbalance: Gini" in out) == show
    if show:
        assert out.index("imbalance: Gini") < out.index("val scores")


@pytest.mark.parametrize("first", [True, False])
def test_of_several_ranks_the_first_one_prints_it(capsys, first):
    data = Mock(SegDataModule, class_names=["a", "b"], class_counts=ClassCounts([3, 1]))
    data.folder = "two"
    trainer = SimpleNamespace(datamodule=data, is_global_zero=first)
    ImbalanceReport().on_fit_start(trainer, None)
    assert ("training set of two" in capsys.readouterr().out) == first


def test_its_file_is_for_readers_without_the_data(tmp_path):
    write_classes(tmp_path, ["a", "b"], [3, 1], [(1, 2, 3), (255, 0, 16), (0, 0, 0)])
    rows = ["class,train_pixels,colour", "a,3,#010203", "b,1,#ff0010"]
    assert (tmp_path / "dataset.csv").read_text().splitlines() == rows
