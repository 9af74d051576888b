"""`python -m lit_seg diagnose`: what it prints, as JSON too, and its exit codes."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from lit_seg.cli.commands.diagnose import main
from lit_seg.diagnosis.compare_runs import OUTCOMES
from lit_seg.metrics.mask_sizes import MASK_SIZE_BINS
from tests.analysis.test_diagnosis import GOOD, fabricate


def test_it_prints_tables_verdict_and_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(fabricate(tmp_path, GOOD))]) == 0
    out = capsys.readouterr().out
    assert "Is imbalance the bottleneck? yes" in out
    assert "make train LOSS=recall DATA=camvid MODEL=unet_resnet18 SEED=1" in out
    assert "pixel accuracy 91.6   mean accuracy 65.7   gap 25.9" in out
    assert all(name in out for name in MASK_SIZE_BINS)
    assert "--against" not in out  # it is the baseline


def test_json_says_the_same_and_is_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = fabricate(tmp_path, GOOD, loss="recall", curve=[0.5] * 5)
    assert main([str(run), "--json"]) == 0

    def refuse(name: str) -> None:
        raise AssertionError(name)

    content = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert content["verdict"]["kind"] == "imbalance"
    assert content["next"]["loss"] == "balanced_softmax"
    assert content["evidence"]["rise"] is None
    assert content["evidence"]["groups"]["tail"]["recall"] == pytest.approx(0.1)
    assert content["rules"]["EASY_MEAN_ACCURACY"]["source"] == "recall paper, App. B"
    assert "LOSS=ce DATA=camvid" in content["only_against"]


def test_another_loss_is_judged_against_a_baseline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ce = fabricate(tmp_path / "a", GOOD)
    run = fabricate(tmp_path / "b", GOOD | {"sign": 0.3}, loss="recall")
    assert main([str(run)]) == 0
    assert "make train LOSS=ce DATA=camvid MODEL=unet_resnet18 SEED=1, then --against" in (
        capsys.readouterr().out
    )
    assert main([str(run), "--against", str(ce)]) == 0
    out = capsys.readouterr().out
    assert "--against" not in out
    assert f"against ce: in this pair of runs {OUTCOMES['higher'].format(main='mean IoU')}" in out
    assert "python -m lit_seg report" in out  # one pair of runs is no verdict on a loss
    assert main([str(run), "--against", str(ce), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["against"]["outcome"] == "higher"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "the following arguments are required: run"),
        (["{run}", "--agianst", "x"], "unrecognized arguments: --agianst x"),
        (["{run}/nothing"], "no such run"),
        (["{run}", "--against", "{run}/nothing"], "no such run"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    args: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(fabricate(tmp_path, GOOD))
    assert main([arg.format(run=run) for arg in args]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


def test_it_needs_no_matplotlib(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = ("lit_seg.analysis", "lit_seg.diagnosis", "lit_seg.cli.commands.diagnose")
    for name in [name for name in sys.modules if name.startswith((*ours, "matplotlib"))]:
        monkeypatch.delitem(sys.modules, name)  # so that it is imported anew
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    command = importlib.import_module("lit_seg.cli.commands.diagnose")
    run, other = (str(fabricate(tmp_path / name, GOOD)) for name in "ab")
    assert command.main([run, "--against", other, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["against"]["outcome"] == "same"
