"""The decision table and the recommendation say what the differences say, and nothing else."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from lit_seg.analysis.comparison import Comparison, compare
from lit_seg.metrics.scores import STATS
from lit_seg.report.blocks import Cell, Figure, Table, Text
from lit_seg.report.formatting import MINUS, NBSP, outcome, points
from lit_seg.report.sections import decision
from lit_seg.report.sections.decision import DECISIVE, recommendation, score_table
from tests.analysis.fabricated import write_run

TAIL = ["pole", "pedestrian", "bicyclist"]
NAN = float("nan")
Known = dict[str, dict[str, tuple[float, float, float]]]
"""Mean, difference and half of its interval, by label and score."""


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Three seeds, of which cross-entropy predicts the tail in one, and a larger budget."""
    root = tmp_path_factory.mktemp("runs")
    few = {"images": 6, "logged": 2, "validations": 2, "pictures": False}
    for loss in ("ce", "recall", "wce", "pat"):
        for seed in (0, 1, 2):
            never = TAIL if loss == "ce" and seed else []
            write_run(root, loss, seed, never=never, **few)  # type: ignore[arg-type]
            if loss in ("ce", "recall"):
                write_run(root / "x3", loss, seed, steps=1620, **few)  # type: ignore[arg-type]
    return compare([root], draws=100)


def row(
    label: str, stat: str, value: float, half: float, seeds: int = 3, against: str = ""
) -> dict[str, object]:
    low, high = (value - half, value + half) if seeds > 1 else (NAN, NAN)
    real = low > 0 or high < 0
    against = against or ("ce, 3x" if "3x" in label else "ce")
    return {
        "method": label, "against": against, "stat": stat, "value": value, "low": low, "high": high,
        "p": 0.01 if real else 0.5, "p_holm": 0.04 if real else 1.0, "real": real,
        "same_sign": seeds, "seeds": seeds,
    }  # fmt: skip


def with_known(
    whole: Comparison, known: Known, seeds: int = 3, doubtful: Sequence[str] = ()
) -> Comparison:
    """A comparison whose means and differences are known; the baseline scores 40 % in all.

    Holm's correction takes the differences of the ``doubtful`` losses away.
    """
    scores = whole.scores.assign(value=0.4)
    rows = []
    for method in whole.methods:
        if method.label in ("ce", "ce, 3x"):
            continue
        for stat in DECISIVE:
            mean, value, half = known.get(method.label, {}).get(stat, (0.4, 0.0, 0.1))
            scores.loc[(scores["method"] == method.label) & (scores["stat"] == stat), "value"] = (
                mean
            )
            rows.append(row(method.label, stat, value, half, seeds))
            if method.label in doubtful:
                rows[-1]["p_holm"] = 0.06
    return replace(whole, scores=scores, differences=pd.DataFrame(rows))


def bold(sentence: str) -> list[str]:
    return [name for name in re.findall(r"\*\*(.+?)\*\*", sentence) if name != "worse"]


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (row("recall", "miou", 0.1, 0.05), "better"),
        (row("recall", "miou", -0.1, 0.05), "worse"),
        (row("recall", "miou", 0.1, 0.15), "tied"),
        (row("recall", "miou", 0.0, 0.0), "tied"),
        (row("recall", "miou", 0.1, 0.05, seeds=1), ""),
        (row("recall", "miou", 0.1, NAN), ""),
        (row("recall", "tail_precision", NAN, NAN, seeds=0), ""),
        (None, ""),
    ],
)
def test_an_outcome_is_that_of_the_interval(
    difference: dict[str, object] | None, expected: str
) -> None:
    assert outcome(None if difference is None else pd.Series(difference)) == expected


def test_the_sign_of_a_small_difference_is_seen() -> None:
    values = [0.021, -0.021, 0.0004, -0.0004, 0.0, -1e-12, NAN]
    shown = ["+2.1", f"{MINUS}2.1", "+0.04", f"{MINUS}0.04", "0.0", "0.0", "n/a"]
    assert [points(value) for value in values] == shown


BETTER = (0.5, 0.1, 0.05)
CASES: dict[str, tuple[Known, Sequence[str], list[list[str]], Sequence[str]]] = {
    # What is known; losses tied with the best; bold names of each sentence; words in the text.
    "all tied": ({}, [], [[], []], ["No loss is shown"]),
    "one is better": (
        {"recall": {"miou": BETTER}},
        [],
        [["recall"], []],
        ["Choose", "+10.0 [+5.0, +15.0]", "better in mean IoU and tied in"],
    ),
    "the highest of those that are better": (
        {"recall": {"miou": BETTER}, "pat": {"miou": (0.45, 0.05, 0.01)}},
        ["pat"],
        [["recall"], []],
        ["Choose", "statistically tied with that of pat"],
    ),
    "not the highest mean where that is tied": (
        {"recall": {"miou": (0.9, 0.5, 0.6)}, "pat": {"miou": (0.41, 0.01, 0.005)}},
        [],
        [["pat"], []],
        ["Choose"],
    ),
    "its price": (
        {
            "recall": {
                "miou": BETTER,
                "pixel_acc": (0.2, -0.2, 0.1),
                "tail_precision": (0, NAN, NAN),
            }
        },
        [],
        [["recall"], []],
        [
            f"**worse** in pixel accuracy ({MINUS}20.0 [{MINUS}30.0, {MINUS}10.0] points)",
            "not comparable in tail precision",
        ],
    ),
    "better for the rare classes only": (
        {
            "wce": {"tail_recall": (0.8, 0.4, 0.1), "miou": (0.3, -0.1, 0.05)},
            "pat": {"tail_recall": (0.7, 0.3, 0.1)},
        },
        ["pat"],
        [["wce"], []],
        ["No loss is shown", "rare classes", "tied with that of pat", "**worse** in mean IoU"],
    ),
    "better with more steps only": (
        {"recall, 3x": {"miou": BETTER}},
        [],
        [[], ["recall, 3x"]],
        ["No loss is shown", "1620 steps", "than ce, 3x"],
    ),
    "better at both": (
        {"recall": {"miou": BETTER}, "recall, 3x": {"miou": (0.6, 0.2, 0.1)}},
        [],
        [["recall"], [], ["recall, 3x"]],
        ["Choose", "1620 steps"],
    ),
    "worse is not better": (
        {"recall": {"miou": (0.3, -0.1, 0.05), "tail_recall": (0.3, -0.1, 0.05)}},
        [],
        [[], []],
        ["No loss is shown"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_recommendation_follows_its_rules(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    known, tied, names, words = CASES[name]

    def paired(
        _: Comparison, __: object, method: SimpleNamespace
    ) -> tuple[list[object], list[int]]:
        return [SimpleNamespace(is_real=method.label not in tied)] * len(STATS), [0, 1, 2]

    monkeypatch.setattr(decision, "paired", paired)
    sentences = recommendation(with_known(comparison, known))
    assert [bold(sentence) for sentence in sentences] == names
    assert len(sentences) <= 3
    text = " ".join(sentences).replace(NBSP, " ")
    assert all(word in text for word in words)
    assert ("No loss is shown" in text) != ("Choose" in text)
    assert "p =" not in text


def test_what_may_be_chance_is_not_claimed(comparison: Comparison) -> None:
    """A sentence does not claim what its next clause takes back."""
    known = {"recall": {"miou": BETTER, "pixel_acc": (0.2, -0.2, 0.1)}}
    found = with_known(comparison, known, doubtful=["recall"])
    first, price = recommendation(found)
    assert first.startswith("**recall** may have a better mean IoU than ce")
    assert "chance" in first
    assert "perhaps better in mean IoU" in price
    assert "perhaps **worse** in pixel accuracy" in price
    note = cells(score_table(found, DECISIVE, ""), "recall")["mean IoU"].note
    assert note.startswith("better? +10.0")
    certain = with_known(comparison, known | {"pat": {"miou": (0.41, 0.01, 0.005)}}, 3, ["recall"])
    assert bold(recommendation(certain)[0]) == ["pat"]  # lower, and beyond doubt
    longer = {"recall, 3x": {"miou": BETTER}, "wce": {"tail_recall": BETTER}}
    first, _, last = recommendation(with_known(comparison, longer, 3, ["recall, 3x", "wce"]))
    assert "**wce** may have a better tail recall" in first
    assert "**recall, 3x** may have a better mean IoU than ce, 3x" in last


def test_one_pair_of_seeds_recommends_nothing(comparison: Comparison) -> None:
    known = with_known(comparison, {"recall": {"miou": (0.9, 0.5, 0.01)}}, seeds=1)
    first, second = recommendation(known)
    assert "No loss can be recommended" in first
    assert bold(second) == ["recall"]
    assert "90.0" in second


def test_a_longer_loss_without_a_longer_baseline_is_no_candidate(comparison: Comparison) -> None:
    known = with_known(comparison, {})
    more = pd.DataFrame([row("recall, 3x", "miou", 0.3, 0.1, against="ce")])
    rows = known.differences[known.differences["method"] != "recall, 3x"]
    known = replace(known, differences=pd.concat([rows, more]))
    assert bold(" ".join(recommendation(known))) == []


def test_without_another_loss_there_is_no_recommendation(tmp_path: Path) -> None:
    for loss in ("ce", "ohem"):
        write_run(tmp_path / loss, loss, 0, images=3, logged=2, pictures=False)
    (sentence,) = recommendation(compare([tmp_path / "ce"], draws=10))
    assert "ce" in sentence
    (sentence,) = recommendation(compare([tmp_path / "ohem"], draws=10))
    assert "LOSS=ce" in sentence


def cells(table: Table, label: str) -> dict[str, Cell]:
    (found,) = [row for row in table.rows if row[0].text == label]
    return dict(zip(table.columns, found, strict=True))


def test_the_table_has_values_outcomes_and_intervals(comparison: Comparison) -> None:
    known = {"recall": {"miou": BETTER, "macc": (0.4, 0.0, 0.1), "pixel_acc": (0.2, -0.2, 0.1)}}
    table = score_table(with_known(comparison, known), DECISIVE, "")
    assert list(table.columns) == [
        "loss", "mean IoU", "mean accuracy", "tail recall", "tail precision", "pixel accuracy"
    ]  # fmt: skip
    assert [row[0].text for row in table.rows] == [method.label for method in comparison.methods]
    assert [table.rows[i][0].text for i in table.strong] == ["ce", "ce, 3x"]
    row = cells(table, "recall")
    assert row["mean IoU"] == Cell(
        "50.0 ± 0.0", f"better +10.0{NBSP}[+5.0,{NBSP}+15.0]", "better", pytest.approx(0.5)
    )
    assert row["mean accuracy"].mark == "tied"
    assert row["mean accuracy"].note.startswith("tied 0.0")
    assert row["pixel accuracy"].mark == "worse"
    assert row["pixel accuracy"].note.startswith(f"worse {MINUS}20.0")
    assert cells(table, "ce")["mean IoU"] == Cell("40.0 ± 0.0", "", "", pytest.approx(0.4))
    assert row["loss"].note == "3 seeds"
    assert cells(table, "recall, 3x")["loss"].note == "3 seeds, against ce, 3x"


def test_a_cell_tells_of_how_many_seeds_its_numbers_are(comparison: Comparison) -> None:
    table = score_table(comparison, ("tail_precision", "mprec"), "")
    assert cells(table, "ce")["tail precision"].note == "1 of 3 seeds"
    cell = cells(table, "wce")["tail precision"]
    assert cell.mark == ""
    assert cell.note.endswith(f", no interval (1{NBSP}of{NBSP}3{NBSP}pairs)")
    assert "pair" not in cells(table, "wce")["mean precision"].note


def test_a_cell_tells_that_there_is_no_interval(comparison: Comparison) -> None:
    rows = [row("recall", "tail_precision", NAN, NAN), row("recall", "miou", 0.1, NAN)]
    known = replace(comparison, differences=pd.DataFrame(rows))
    found = cells(score_table(known, DECISIVE, ""), "recall")
    assert found["tail precision"].note == "n/a"
    assert found["mean IoU"].note == "+10.0, no interval"


def test_one_seed_gives_no_interval_anywhere(tmp_path: Path) -> None:
    for loss in ("ce", "recall"):
        write_run(tmp_path, loss, 0, images=3, logged=2, pictures=False)
    found = compare([tmp_path], draws=20)
    assert found.differences[["low", "high", "p"]].isna().all(axis=None)
    assert not found.differences["real"].any()
    section = decision.section(found)
    (table,) = (block for block in section.blocks if isinstance(block, Table))
    notes = [cell.note for cell in cells(table, "recall").values()][1:]
    assert all(note.endswith(f", no interval (1{NBSP}pair)") for note in notes)
    assert "[" not in "".join(notes)
    assert isinstance(section.blocks[-1], Text)
    assert "one pair of seeds gives none" in section.blocks[-1].text


def test_what_differs_beside_the_loss_is_the_first_warning(tmp_path: Path) -> None:
    write_run(tmp_path, "ce", 0, images=3, logged=3, pictures=False)
    write_run(tmp_path, "recall", 0, images=3, logged=3, height=180, pictures=False)
    write_run(tmp_path, "wce", 0, finished=False, logged=2, pictures=False)
    first, lead, figure, table, second, *_ = decision.section(compare([tmp_path], draws=50)).blocks
    assert isinstance(first, Text)
    assert isinstance(second, Text)
    assert isinstance(lead, Text)
    assert isinstance(figure, Figure)
    assert isinstance(table, Table)
    assert [first.kind, lead.kind, second.kind] == ["warning", "lead", "warning"]
    assert "`data.init_args.height` is 120 (ce) or 180 (recall)" in first.text
    assert "wce/seed0 is not finished" in second.text
