"""Marks of classes, and what losses cost."""

from pathlib import Path

import pytest
from scipy.stats import ttest_rel

from lit_seg.analysis.comparison import Comparison, compare
from lit_seg.report.blocks import Choice, Section, Table, Text
from lit_seg.report.sections import classes, cost
from tests.analysis.fabricated import write_run


def write(root: Path, loss: str, seed: int, **options: object) -> Path:
    few = {"images": 8, "logged": 2, "validations": 2, "pictures": False}
    return write_run(root, loss, seed, **{**few, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    root = tmp_path_factory.mktemp("runs")
    for loss in ("ce", "recall", "wce"):
        for seed in (0, 1, 2):
            write(root, loss, seed, never=["bicyclist"] if (loss, seed) == ("ce", 0) else [])
    write(root, "pat", 1)
    return compare([root], draws=20)


def tables(section: Section | None) -> dict[str, Table]:
    assert section is not None
    choice = section.blocks[-1]
    assert isinstance(choice, Choice)
    return {name: table for name, (table,) in choice.options if isinstance(table, Table)}


def test_a_class_is_marked_where_its_interval_excludes_zero(comparison: Comparison) -> None:
    table = tables(classes.section(comparison))["Precision"]
    rows = comparison.class_scores
    rows = rows[rows["stat"] == "precision"]
    rows = rows.set_index(["arm", "class", "seed"])["value"].sort_index()
    seen = set()
    for row in table.rows:
        name = row[0].text.rstrip("†")
        for label, cell in zip(table.columns[3:], row[3:], strict=True):
            expected = ""
            if label in ("recall", "wce"):
                ours, theirs = (rows[arm, name] for arm in (label, "ce"))
                p = ttest_rel(ours, theirs).pvalue  # NaN where ce never predicts it
                if p < 0.05:
                    expected = "better" if ours.mean() > theirs.mean() else "worse"
            assert cell.mark == expected, (label, name)
            seen.add(cell.mark)
    marks = {c.mark for row in tables(classes.section(comparison))["Recall"].rows for c in row}
    assert seen | marks == {"", "better", "worse"}
    # two losses of three seeds, less the class without a precision in one of them
    assert "marked by chance alone, here 1 of 20" in table.caption
    assert "here 1 of 22" in tables(classes.section(comparison))["IoU"].caption


def test_one_seed_marks_nothing(tmp_path: Path) -> None:
    for loss in ("ce", "recall"):
        write(tmp_path, loss, 0)
    table = tables(classes.section(compare([tmp_path], draws=20)))["Recall"]
    assert {cell.mark for row in table.rows for cell in row} == {""}
    assert "Nothing is marked" in table.caption


def costs(run: Path, **values: float) -> None:
    lines = [f"9,{name},{value}" for name, value in values.items()]
    (run / "cost.csv").write_text("\n".join(["step,cost,value", *lines]) + "\n")


def test_a_loss_costs_what_the_baseline_of_its_budget_does(tmp_path: Path) -> None:
    long = {"data": "camvid_x3", "steps": 1620}
    costs(write(tmp_path, "ce", 0), step_seconds=0.2, cpu_seconds=0.3, utilisation=80)
    costs(write(tmp_path, "recall", 0), step_seconds=0.3, cpu_seconds=0.36, utilisation=79)
    costs(write(tmp_path, "ce", 0, **long), step_seconds=0.4, cpu_seconds=0.3, utilisation=45)
    costs(write(tmp_path, "recall", 0, **long), step_seconds=0.4, cpu_seconds=0.33, utilisation=44)
    found = cost.section(compare([tmp_path], draws=20))
    assert found is not None
    table = found.blocks[-1]
    assert isinstance(table, Table)
    assert list(table.columns[:3]) == [
        "loss",
        "time, ce\u00a0=\u00a01",
        "processor time, ce\u00a0=\u00a01",
    ]
    assert [[cell.text for cell in row[:3]] for row in table.rows] == [
        ["ce", "1.00", "1.00"],
        ["recall", "1.50", "1.20"],
        ["recall, 3x", "1.00", "1.10"],
        ["ce, 3x", "1.00", "1.00"],
    ]
    (note,) = [b.text for b in found.blocks if isinstance(b, Text) and b.kind == "warning"]
    assert "from 44 % (recall, 3x) to 80 % (ce)" in note


def test_an_even_machine_needs_no_note_and_no_processor_time_no_column(tmp_path: Path) -> None:
    for loss, used in (("ce", 80), ("recall", 75)):
        costs(write(tmp_path, loss, 0), step_seconds=0.2, utilisation=used)
    found = cost.section(compare([tmp_path], draws=20))
    assert found is not None
    text, table = found.blocks
    assert isinstance(text, Text)
    assert "experiments/paper/loss_memory.py" in text.text
    assert isinstance(table, Table)
    assert not any(name.startswith("processor time, ce") for name in table.columns)
