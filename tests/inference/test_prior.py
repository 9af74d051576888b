"""Post-hoc balancing subtracts the prior, and a run keeps its strength."""

import json
from pathlib import Path

import pytest
import torch

from lit_seg.errors import RunError
from lit_seg.inference.prior import balanced, read_tau, write_tau
from lit_seg.losses.logit_adjustment import log_prior, post_hoc_adjusted

PIXELS = [900, 90, 10, 0]


def test_scores_lose_tau_times_the_log_of_the_share_of_each_class() -> None:
    scores = torch.randn(2, 4, 3, 5)
    found = balanced(scores, log_prior(PIXELS), 0.5)
    for c, share in enumerate((0.9, 0.09, 0.01, 0.001)):  # no pixel counts as one
        expected = scores[:, c] - 0.5 * torch.tensor(share).log()
        torch.testing.assert_close(found[:, c], expected, atol=2e-3, rtol=0)
    assert torch.equal(found, post_hoc_adjusted(scores, PIXELS, 0.5))
    assert balanced(scores, log_prior(PIXELS), 0) is scores


def test_a_run_and_its_checkpoints_have_the_strength_that_was_kept(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoints" / "best.ckpt"
    checkpoint.parent.mkdir()
    checkpoint.touch()
    assert read_tau(tmp_path) == read_tau(checkpoint) == 0
    write_tau(tmp_path, 0.3, by="miou")
    assert read_tau(tmp_path) == read_tau(checkpoint) == 0.3
    write_tau(tmp_path, 0.3, by="miou", checkpoint="last.ckpt")
    assert read_tau(checkpoint) == 0
    write_tau(tmp_path, 0.3, by="miou", checkpoint="best.ckpt")
    assert read_tau(checkpoint) == 0.3


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "posthoc.json"),
        (json.dumps({"schema": 1}), "tau"),
        (json.dumps({"schema": 1, "tau": -1}), "-1"),
        (json.dumps({"schema": 1, "tau": float("inf")}), "inf"),
        (json.dumps({"schema": 2, "tau": 1}), "schema is 2"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str, named: str) -> None:
    (tmp_path / "posthoc.json").write_text(content)
    with pytest.raises(RunError, match=named) as error:
        read_tau(tmp_path)
    assert str(tmp_path / "posthoc.json") in str(error.value)
    assert "tau_sweep" in str(error.value)
