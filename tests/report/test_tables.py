"""Tables of classes, learning curves, costs and methods."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from scipy.stats import ttest_rel

from lit_seg.analysis.comparison import Comparison, compare
from lit_seg.report.blocks import Block, Choice, Folded, Section, Table, Text
from lit_seg.report.sections import classes, learning_curves, limits, training_cost
from tests.analysis.fabricated import rescore, write_run


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


def unfolded(section: Section | None) -> list[Block]:
    """The blocks of a section, also those that a reader opens."""
    assert section is not None
    parts = [block.blocks if isinstance(block, Folded) else [block] for block in section.blocks]
    return [block for part in parts for block in part]


def tables(section: Section | None) -> dict[str, Table]:
    """The tables of a section by caption, those of a choice by name."""
    blocks = unfolded(section)
    found = {block.caption: block for block in blocks if isinstance(block, Table)}
    for block in blocks:
        if isinstance(block, Choice):
            found |= {name: table for name, table in block.options if isinstance(table, Table)}
    return found


def starting(found: dict[str, Table], words: str) -> Table:
    """The only table whose caption starts with these words."""
    (table,) = (table for caption, table in found.items() if caption.startswith(words))
    return table


def rows_of(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def paragraphs(section: Section | None) -> str:
    return " ".join(block.text for block in unfolded(section) if isinstance(block, Text))


def test_a_class_is_marked_where_its_interval_excludes_zero(comparison: Comparison) -> None:
    found = tables(classes.section(comparison))
    table = found["Precision"]
    rows = comparison.class_scores
    rows = rows[rows["stat"] == "precision"]
    rows = rows.set_index(["method", "class", "seed"])["value"].sort_index()
    seen = set()
    for row in table.rows:
        name = row[0].text.rstrip("†")
        for label, cell in zip(table.columns[3:], row[3:], strict=True):
            expected = ""
            if label in ("recall", "wce"):
                ours, theirs = (rows[method, name] for method in (label, "ce"))
                p = ttest_rel(ours, theirs).pvalue  # NaN where ce never predicts it
                if p < 0.05:
                    expected = "better" if ours.mean() > theirs.mean() else "worse"
            assert cell.mark == expected, (label, name)
            seen.add(cell.mark)
    marks = {cell.mark for row in found["Recall"].rows for cell in row}
    assert seen | marks == {"", "better", "worse"}


def test_one_seed_marks_nothing(tmp_path: Path) -> None:
    for loss in ("ce", "recall"):
        write(tmp_path, loss, 0)
    table = tables(classes.section(compare([tmp_path], draws=20)))["Recall"]
    assert {cell.mark for row in table.rows for cell in row} == {""}


def test_classes_that_are_not_predicted_are_listed_by_how_rarely(tmp_path: Path) -> None:
    few = {"images": 3, "logged": 2, "pictures": False}
    for seed, never in enumerate((["pole", "fence"], ["pole", "fence", "pedestrian"])):
        run = write_run(tmp_path, "ce", seed, never=never, **few)  # type: ignore[arg-type]
        write_run(tmp_path, "wce", seed, **few)  # type: ignore[arg-type]
        if seed:  # one pixel, and it hits
            table = pd.read_csv(run / "val_images.csv")
            place = (table["class"] == "fence") & (table["labelled"] > 0)
            table.loc[table.index[place][0], ["predicted", "hits"]] = 1
            table.to_csv(run / "val_images.csv", index=False)
            rescore(run)
    found = starting(tables(classes.section(compare([tmp_path], draws=50))), "Classes without")
    assert rows_of(found) == [["ce", "pole", "fence", "pedestrian"]]


def test_learning_curves_are_summed_up_by_start_and_end(comparison: Comparison) -> None:
    differences = comparison.differences.copy()
    of_recall = differences["method"] == "recall"
    differences.loc[
        of_recall & (differences["stat"] == "miou"), ["value", "low", "real", "p_holm"]
    ] = (
        *(0.1, 0.05),
        True,
        0.01,
    )
    known = replace(comparison, differences=differences)
    table = starting(tables(learning_curves.section(known)), "Steps after which")
    assert [name.split(" ")[0] for name in table.columns[2:]] == ["reaches", "start", "end"] * 2
    cells = {row[0].text: row for row in table.rows}
    assert [cell.text for cell in cells["ce"][3:5]] == ["baseline"] * 2
    assert cells["recall"][4].text == cells["recall"][4].mark == "better"
    assert cells["pat"][4].text == "n/a"  # one pair of seeds
    steps = learning_curves.first_reached(known, "miou")
    steps = steps.set_index("method")["step"]
    sooner = steps["recall"].max() < steps["ce"].min()
    assert cells["recall"][3].text == ("sooner" if sooner else "not sooner")


@pytest.mark.parametrize(
    ("steps", "first", "expected"),
    [
        ([90, 180], 270, "sooner"),
        ([90, 270], 270, "not sooner"),
        ([90, None], 270, "not sooner"),
        ([90, 180], None, "sooner"),  # the baseline never is there
        ([None, None], None, "not sooner"),
    ],
)
def test_sooner_is_before_the_first_seed_of_the_baseline(
    steps: list[float | None], first: float | None, expected: str
) -> None:
    there = pd.Series(steps, dtype=float)
    assert learning_curves._start(there, float("nan" if first is None else first)) == expected


def costs(run: Path, **values: float) -> None:
    lines = [f"9,{name},{value}" for name, value in values.items()]
    (run / "cost.csv").write_text("\n".join(["step,cost,value", *lines]) + "\n")


def test_a_loss_costs_what_the_baseline_of_its_budget_does(tmp_path: Path) -> None:
    long = {"data": "camvid_x3", "steps": 1620}
    costs(write(tmp_path, "ce", 0), step_seconds=0.2, cpu_seconds=0.3, utilisation=80)
    costs(write(tmp_path, "recall", 0), step_seconds=0.3, cpu_seconds=0.36, utilisation=79)
    costs(write(tmp_path, "ce", 0, **long), step_seconds=0.4, cpu_seconds=0.3, utilisation=45)
    costs(write(tmp_path, "recall", 0, **long), step_seconds=0.4, cpu_seconds=0.33, utilisation=44)
    found = training_cost.section(compare([tmp_path], draws=20))
    table = starting(tables(found), "Cost")
    assert list(table.columns[:3]) == [
        "loss",
        "time, ce\u00a0=\u00a01",
        "processor time, ce\u00a0=\u00a01",
    ]
    assert [row[:3] for row in rows_of(table)] == [
        ["ce", "1.00", "1.00"],
        ["recall", "1.50", "1.20"],
        ["recall, 3x", "1.00", "1.10"],
        ["ce, 3x", "1.00", "1.00"],
    ]
    assert found is not None
    (note,) = [b.text for b in found.blocks if isinstance(b, Text) and b.kind == "warning"]
    assert "from 44 % (recall, 3x) to 80 % (ce)" in note


def test_an_even_machine_needs_no_note_and_no_processor_time_no_column(tmp_path: Path) -> None:
    for loss, used in (("ce", 80), ("recall", 75)):
        costs(write(tmp_path, loss, 0), step_seconds=0.2, utilisation=used)
    found = training_cost.section(compare([tmp_path], draws=20))
    assert found is not None
    assert not any(isinstance(b, Text) and b.kind == "warning" for b in found.blocks)
    assert "make bench" in paragraphs(found)
    table = starting(tables(found), "Cost")
    assert not any(name.startswith("processor time, ce") for name in table.columns)


def test_what_the_correction_leaves_is_counted(comparison: Comparison) -> None:
    row = comparison.differences.iloc[0].to_dict()
    real = {"value": 0.1, "low": 0.05, "high": 0.15, "p": 0.01, "real": True, "seeds": 3}
    nan = float("nan")
    rows = [
        {**row, **real, "method": "recall", "stat": "miou", "p_holm": 0.02},
        {**row, **real, "method": "wce", "stat": "tail_iou", "p_holm": 0.06},
        {**row, **real, "method": "pat", "stat": "miou", "p": nan, "p_holm": nan, "seeds": 1},
    ]
    known = replace(comparison, differences=pd.DataFrame(rows))
    text = paragraphs(limits.section(known))
    assert "2 differences have an interval, and 2 of the intervals exclude zero" in text
    assert "For 1 of them p stays below 0.05" in text
    assert "the others have a question mark: tail IoU of wce." in text


def test_methods_tell_seeds_resamples_and_what_is_missing(comparison: Comparison) -> None:
    section = limits.section(comparison)
    text = paragraphs(section)
    assert "1 to 3 per loss" in text
    assert "20 with fixed random numbers. Each draws 8 of the 8 images" in text
    assert "4.30 for 3 pairs" in text  # Student's t of two degrees of freedom
    found = tables(section)
    runs = rows_of(found["Runs"])
    assert len(runs) == 10 + 2
    assert [row[:2] for row in runs[-2:]] == [[f"pat, seed {s}", "missing"] for s in (0, 2)]
    by_seed = {row[0]: row for row in rows_of(starting(found, "Differences in mean IoU"))}
    assert len(by_seed["recall"][2].split(", ")) == 3
    assert by_seed["pat"][-2:] == ["n/a", "n/a"]


def test_of_many_classes_there_are_extremes_and_those_asked_for(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classes, "ALL_SHOWN", 4)
    monkeypatch.setattr(classes, "_EACH", 1)
    asked = replace(comparison, watched=["car"])
    rows = comparison.class_scores
    of_recall = rows[rows["stat"] == "recall"].groupby(["class", "method"])["value"].mean()
    recall = of_recall.unstack()
    gains = recall.sub(recall["ce"], axis=0)
    expected = {"road", "bicyclist", "car", recall["ce"].idxmin(), recall["ce"].idxmax()}
    expected |= {gains.max(axis=1).idxmax(), gains.min(axis=1).idxmin()}
    found = tables(classes.section(asked))
    table = found["Recall"]
    assert {row[0].text.rstrip("†") for row in table.rows} == expected
    assert len(expected) < 8
    means = {row[0].text: row[3].text for row in table.foot}  # of all classes, shown or not
    assert means == {
        row[0].text: row[3].text for row in tables(classes.section(comparison))["Recall"].foot
    }
    every = pd.read_csv(StringIO(classes.class_csv(asked))).set_index("class")
    assert list(every.index) == comparison.classes
    assert every.loc["pole", "recall of recall"] == pytest.approx(
        recall.loc["pole", "recall"], abs=1e-4
    )
