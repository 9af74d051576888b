"""The summary of a run, and the table at its end."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from rich.console import Console

from lit_seg.callbacks.run_summary import RunSummary, _rich_table
from lit_seg.errors import RunError
from lit_seg.files.escape import markdown
from lit_seg.inference.prior import write_tau
from lit_seg.metrics.scores import class_scores
from lit_seg.runs.score_table import class_rows, markdown_table, means_line
from lit_seg.runs.summary import (
    RunScores,
    Summary,
    read_summary,
    remove_summary,
    run_scores,
    write_summary,
)
from lit_seg.runs.summary_schema import is_finished

NAMES = ["sky", "road", "pole", "sign"]
PIXELS = [30, 60, 9, 1]
# Pixels labelled, predicted and both; no sign is labelled, and none predicted.
COUNTS = np.array([[10, 9, 8], [10, 13, 10], [4, 2, 2], [0, 0, 0]])


def scores_of(names: list[str] = NAMES, counts: np.ndarray = COUNTS) -> RunScores:
    pixel_acc = counts[:, 2].sum() / counts[:, 0].sum()
    return run_scores(names, PIXELS[: len(names)], class_scores(counts), pixel_acc)


def test_rows_are_sorted_by_training_pixels_and_end_with_means() -> None:
    rows = class_rows(scores_of())
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
    rows = class_rows(scores_of(NAMES[:2], COUNTS[:2]))
    assert [row[0] for row in rows] == ["road", "sky", "head (1)", "tail (1)"]


def test_markdown_says_n_a_and_how_many_were_scored() -> None:
    scores = scores_of()
    table = markdown_table(scores)
    assert table.splitlines()[1] == "|---|---:|---:|---:|---:|"
    assert "| sign | 1.00 | n/a | n/a | n/a |" in table
    assert "over 3 of 4 classes" in means_line(scores)
    assert table.endswith(f"\n\n{means_line(scores)}\n")


def test_names_of_classes_add_nothing_to_the_markdown() -> None:
    names = ["a|b", "<img src=x>", "c\nd", "[e](javascript:f)"]
    lines = markdown_table(scores_of(names)).splitlines()
    for name in ("a\\|b", "&lt;img src=x>", "c d", "[e]\\(javascript:f)"):
        assert sum(line.startswith(f"| {name} | ") for line in lines) == 1
    assert {line.replace("\\|", "").count("|") for line in lines[:8]} == {6}


def test_a_backslash_does_not_end_the_escape_of_a_column() -> None:
    assert markdown("a\\|b") == "a\\\\\\|b"


def test_names_of_classes_are_shown_as_they_are():
    """Not as markup of rich, which would hide or end them."""
    names = ["car [small]", "car [/big]", "[red]", "sign"]
    console = Console(width=120)
    with console.capture() as shown:
        console.print(_rich_table(scores_of(names), "x"))
    assert all(name in shown.get() for name in names)


def test_the_summary_is_read_as_it_was_written(tmp_path: Path) -> None:
    config = {"data": {"class_path": "x"}, "model": {"lr": 1e-3}, "trainer": {"max_epochs": 3}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "cost.csv").write_text("step,cost,value\n1,step_seconds,2\n2,step_seconds,4\n")
    (tmp_path / "metrics.csv").write_text("step,epoch,train/loss\n0,0,1\n29,2,1\n")
    assert read_summary(tmp_path) is None
    written = write_summary(tmp_path, 30, scores_of())
    found = read_summary(tmp_path)
    assert found is not None
    assert repr(found) == repr(written)  # NaN is not equal to itself
    assert (found.steps, found.epochs) == (30, 3)
    assert json.loads((tmp_path / "summary.json").read_text())["status"] == "finished"
    assert found.options["trainer.max_epochs"] == 3
    assert found.options["model.lr"] == 1e-3
    assert found.cost == {"step_seconds": 3}
    assert found.scores is not None
    assert found.scores.overall["tail_recall"] != found.scores.overall["tail_recall"]
    assert math.isnan(found.scores.classes["sign"]["iou"])
    assert {"python", "torch", "pytorch-lightning"} <= found.versions.keys()
    assert "NaN" not in (tmp_path / "summary.json").read_text()
    remove_summary(tmp_path)
    assert not is_finished(tmp_path)


def test_a_run_that_goes_on_is_neither_finished_nor_balanced(tmp_path: Path) -> None:
    """The strength of balancing was chosen for weights that change now."""
    write_summary(tmp_path, 30, None)
    write_tau(tmp_path, 0.5)
    RunSummary().after_first_step(SimpleNamespace(default_root_dir=tmp_path), None)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_was_never_validated_has_no_scores(tmp_path: Path) -> None:
    write_summary(tmp_path, 30, None)
    found = read_summary(tmp_path)
    assert found is not None
    assert found.scores is None


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"schema": 99}', '{"schema": 1}'])
def test_a_summary_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(RunError, match=r"summary\.json: is (damaged|of another version)"):
        read_summary(tmp_path)


@pytest.mark.parametrize(
    ("epochs", "steps", "options", "said"),
    [
        (6, 60, {"trainer.max_epochs": 12}, "6 of the 12 epochs"),
        (12, 60, {"trainer.max_epochs": 12}, ""),
        (6, 60, {"trainer.max_epochs": 12, "trainer.max_steps": 60}, ""),
        (None, 60, {"trainer.max_steps": 180}, "60 of the 180 steps"),
        (6, 178, {"trainer.max_steps": 180, "trainer.max_epochs": None}, ""),
        (6, 60, {"trainer.max_epochs": -1}, ""),
        (6, 60, {}, ""),
    ],
)
def test_a_run_that_stopped_early_says_so(epochs, steps, options, said) -> None:
    summary = Summary(steps, epochs, None, options, {}, {})
    assert summary.stopped_early() == said
