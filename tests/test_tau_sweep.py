"""The sweep over strengths of post-hoc balancing says where the best one is used."""

from pathlib import Path

import pandas as pd
import pytest

from lit_seg.cli import evaluated
from lit_seg.inference.prior import read_tau
from lit_seg.metrics.scores import STATS


@pytest.mark.parametrize(("better", "said"), [(0.0, "changes nothing"), (0.5, "of last.ckpt")])
def test_the_best_strength_is_kept_and_0_is_said_to_change_nothing(
    better: float, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"tau": tau, **dict.fromkeys(STATS, 0.1 + (tau == better))} for tau in (0.0, 0.5)]
    monkeypatch.setattr(evaluated, "tau_table", lambda scored: pd.DataFrame(rows))
    lines = evaluated._keep_best(tmp_path, Path("last.ckpt"), None, "miou")
    assert f"{better:g}" in lines[0]
    assert said in lines[1]
    assert str(tmp_path / "posthoc.json") in lines[1]
    assert read_tau(tmp_path) == better
