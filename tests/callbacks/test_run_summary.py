"""The table at the end of a run."""

import pytest
import torch
from rich.console import Console

from lit_seg.callbacks.run_summary import _rich_table, class_rows, markdown_table, summary_line
from lit_seg.metrics import confusion_scores

NAMES = ["sky", "road", "pole", "sign"]
PIXELS = [30, 60, 9, 1]
CONFUSION = torch.tensor(
    [
        [8, 2, 0, 0],
        [0, 10, 0, 0],
        [1, 1, 2, 0],
        [0, 0, 0, 0],  # no sign in the labels, and none predicted
    ]
)


def test_rows_are_sorted_by_training_pixels_and_end_with_means() -> None:
    rows = class_rows(confusion_scores(CONFUSION), NAMES, PIXELS)
    assert [row[0] for row in rows] == [
        "road", "sky", "pole", "sign", "head (2)", "medium (1)", "tail (1)",
    ]  # fmt: skip
    road, sky, pole, sign, head, medium, tail = rows
    assert road[1:] == pytest.approx((60, 100 * 10 / 13, 100, 100 * 10 / 13))
    assert sky[1:] == pytest.approx((30, 100 * 8 / 11, 80, 100 * 8 / 9))
    assert pole[1:] == pytest.approx((9, 50, 50, 100))
    assert sign[2] != sign[2]  # NaN
    assert head[1:] == pytest.approx([(a + b) / 2 if i else a + b for i, (a, b) in
                                      enumerate(zip(road[1:], sky[1:], strict=True))])  # fmt: skip
    assert medium[1:] == pole[1:]
    assert tail[2] != tail[2]


def test_two_classes_have_a_head_and_a_tail() -> None:
    rows = class_rows(confusion_scores(CONFUSION[:2, :2]), NAMES[:2], PIXELS[:2])
    assert [row[0] for row in rows] == ["road", "sky", "head (1)", "tail (1)"]


def test_markdown_says_n_a_and_how_many_were_scored() -> None:
    scores = confusion_scores(CONFUSION)
    table = markdown_table(class_rows(scores, NAMES, PIXELS))
    assert table.splitlines()[1] == "|---|---:|---:|---:|---:|"
    assert "| sign | 1.00 | n/a | n/a | n/a |" in table
    assert "over 3 of 4 classes" in summary_line(scores)


def test_names_of_classes_are_shown_as_they_are():
    """Not as markup of rich, which would hide or end them."""
    names = ["car [small]", "car [/big]", "[red]", "sign"]
    console = Console(width=120)
    with console.capture() as shown:
        console.print(_rich_table(class_rows(confusion_scores(CONFUSION), names, PIXELS), 4, "x"))
    assert all(name in shown.get() for name in names)
