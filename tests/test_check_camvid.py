"""The criteria of the pages on CamVid are read off runs, by the rule that `camvid.md` states."""

import math
from pathlib import Path

import numpy as np
import pytest

from experiments.paper.check_camvid import (
    BOTH,
    CLAIMS,
    SCORES,
    Checks,
    Claim,
    main,
    scores,
    shown,
    together,
    verdict,
)
from lit_seg.analysis import compare
from lit_seg.analysis.bootstrap import Difference
from lit_seg.metrics.scores import STATS
from tests.analysis.fabricated import write_run
from tests.conftest import EXPERIMENTS

LOSSES = ("ce", "wce", "focal", "recall", "pat")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five losses of three seeds; two of them at three times the budget, of two."""
    root = tmp_path_factory.mktemp("runs")
    for loss in LOSSES:
        for seed in range(3):
            write_run(root, loss, seed)
    for loss in ("ce", "recall"):
        for seed in range(2):
            write_run(root / "x3", loss, seed, steps=1620)
    return root


@pytest.fixture(scope="module")
def checks(runs: Path) -> Checks:
    return Checks(compare([runs], draws=200))


def test_intervals_are_those_of_the_report(checks: Checks) -> None:
    for loss in ("wce", "focal", "recall", "pat"):
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
    counts = comparison.counts["wce", 0].sum(axis=0)
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


def test_every_page_has_its_table(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for page in CLAIMS:
        assert (EXPERIMENTS / "paper" / f"{page}.md").is_file()
    assert main([str(runs), "--draws", "100"]) == 0
    out = capsys.readouterr().out
    for page in ("camvid_baseline", "pat_fig5", *CLAIMS):
        assert f"\n## {page}\n" in f"\n{out}"
    assert "no runs" not in out
    assert main([str(runs / "camvid"), "--draws", "100"]) == 0
    assert "**no runs**" in capsys.readouterr().out
    assert main([str(runs / "nothing")]) == 2
