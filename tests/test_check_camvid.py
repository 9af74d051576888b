"""The criteria of the pages on CamVid are read off runs, by the rule that `camvid.md` states."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from experiments.paper import check_camvid
from experiments.paper.check_camvid import (
    BOTH,
    CLAIMS,
    SCORES,
    Checks,
    Claim,
    criteria,
    main,
    scores,
    shown,
    tables,
    together,
    verdict,
)
from lit_seg.analysis import compare
from lit_seg.analysis.bootstrap import Difference
from lit_seg.metrics.scores import STATS
from tests.analysis.fabricated import write_run
from tests.conftest import EXPERIMENTS

RECALL, PAT = "camvid-recall_camvid", "camvid-pat_camvid"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both comparisons, of three seeds; two losses at three times the budget, of two."""
    root = tmp_path_factory.mktemp("runs")
    few: dict[str, int] = {"images": 8, "logged": 8, "validations": 3}
    for data, losses in ((RECALL, ("ce", "wce", "focal", "recall")), (PAT, ("ce", "pat", "focal"))):
        for loss in losses:
            for seed in range(3):
                write_run(root, loss, seed, data=data, pictures=False, **few)
    for loss in ("wce", "focal"):
        for seed in range(2):
            write_run(root, loss, seed, data="camvid-360x480", pictures=False, **few)
    for loss in ("ce", "recall"):
        for data in ("streets", "camvid-180x240", "camvid-360x480"):
            for seed in range(2):
                write_run(root, loss, seed, data=data, pictures=False, **few)
        for seed in range(2):
            write_run(root / "x3", loss, seed, data=RECALL, steps=1620, pictures=False, **few)
    return root


@pytest.fixture(scope="module")
def checks(runs: Path) -> Checks:
    return Checks(compare([runs / RECALL, runs / "x3"], draws=200))


def test_intervals_are_those_of_the_report(checks: Checks) -> None:
    for loss in ("wce", "focal", "recall"):
        found = checks.differences(loss, "ce", "1x")
        for stat, difference in zip(STATS, found, strict=False):
            row = checks.comparison.difference(loss, stat)
            assert row is not None
            assert difference.seeds == row["seeds"]
            assert [difference.value, difference.low, difference.high] == pytest.approx(
                [row["value"], row["low"], row["high"]], nan_ok=True
            )


def test_difference_of_differences(checks: Checks) -> None:
    place = SCORES.index("mean accuracy")
    table = checks.comparison.scores
    table = table[table["stat"] == "macc"].set_index(["method", "seed"])["value"]
    want = np.mean(
        [
            table["recall", s] - table["ce", s] - table["recall, 3x", s] + table["ce, 3x", s]
            for s in (0, 1)
        ]
    )
    found = checks.differences("recall", "ce", BOTH)
    assert found[place].seeds == 2
    assert found[place].value == pytest.approx(want)


def test_scores_of_classes(checks: Checks) -> None:
    comparison = checks.comparison
    counts = comparison.counts["wce", 0].sums()
    found = dict(zip(SCORES, scores(counts, checks.classes("1x")), strict=True))
    labelled, predicted, hits = counts[comparison.tail].T
    assert found["log false per labelled, tail"] == pytest.approx(
        math.log((predicted - hits).sum() / labelled.sum())
    )
    labelled, predicted, hits = counts[checks.rarest]
    assert found["IoU of the rarest"] == pytest.approx(hits / (labelled + predicted - hits))
    labelled, _, hits = counts[comparison.groups["head"]].T
    assert found["head recall"] == pytest.approx((hits / labelled).mean())
    labelled, _, hits = counts[checks.minority("1x")].T
    assert found["minority accuracy"] == pytest.approx((hits / labelled).mean())


@pytest.mark.parametrize(
    ("low", "high", "seeds", "want"),
    [
        (0.001, 0.1, 3, "held"),
        (0.0, 0.1, 3, "not shown"),
        (-0.1, 0.0, 3, "not held"),
        (-0.1, 0.1, 3, "not shown"),
        (0.001, 0.1, 1, "one seed"),
        (math.nan, math.nan, 3, "no interval"),
        (math.nan, math.nan, 0, "no interval"),
    ],
)
def test_verdicts(low: float, high: float, seeds: int, want: str) -> None:
    claim = Claim("1", "recall", "ce", "mean IoU")
    assert verdict(Difference(0.05, low, high, 0.5), claim, seeds) == want


def test_verdicts_of_an_equality() -> None:
    claim = Claim("5", "focal", "ce", "mean IoU", -0.02, 0.02)
    assert verdict(Difference(0, -0.019, 0.019, 1), claim, 3) == "held"
    assert verdict(Difference(0, -0.019, 0.021, 1), claim, 3) == "not shown"
    assert verdict(Difference(0.03, 0.02, 0.04, 0), claim, 3) == "not held"
    assert together(["held", "held"]) == "held"
    assert together(["held", "not shown"]) == "not shown"
    assert together(["held", "not held"]) == "not held"


def test_logarithms_are_shown_as_factors() -> None:
    of = Difference(math.log(2), 0.0, math.log(4), 0.5)
    assert shown(of, "log false per labelled, tail") == ("x 2.00", "x 1.00 to x 4.00")
    assert shown(of, "mean IoU")[0] == "+.693"


def test_a_criterion_whose_rule_is_younger_than_results_is_not_shown(checks: Checks) -> None:
    lines = list(criteria(checks, CLAIMS["recall_fig1"]))
    (line,) = (line for line in lines if line.startswith("| 2 |"))
    assert "**not shown**" in line
    assert "after earlier results" in line


def test_tables_are_written_where_a_page_names_them(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check_camvid, "SHOWN", {"image000": "road", "image001": "pole"})
    pages = tmp_path / "experiments/paper"
    monkeypatch.setattr(check_camvid, "PAGES", pages)
    shutil.copytree(EXPERIMENTS / "paper", pages)
    shutil.copy(EXPERIMENTS.parent / "README.md", tmp_path)
    found = tables(runs, draws=30)
    monkeypatch.setattr(check_camvid, "tables", lambda folder, draws: found)
    assert main([str(runs), "--write"]) == 0
    for (page, name), lines in found.items():
        assert check_camvid.shown_in(pages / f"{page}.md")[name] == lines
    of_bench = {"speed", "claims"}  # `make bench` writes these
    named = [
        (page.stem, name)
        for page in pages.glob("*.md")
        for name in check_camvid.shown_in(page)
        if name not in of_bench
    ]
    assert sorted(named) == sorted(key for key in found if "README" not in key[0])


def test_a_folder_without_runs_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert "streets" in capsys.readouterr().err
