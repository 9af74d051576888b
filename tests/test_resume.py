"""Runs that go on: longer, with other options, or refused. `test_exact_resume` has the rest."""

from pathlib import Path

import pytest
import torch

from lit_seg.cli.main import main
from tests.test_cli import fit, rows_of

pytestmark = pytest.mark.usefixtures("few_streets")


def test_resume_continues_state_and_logs(tmp_path: Path) -> None:
    folder = tmp_path / "seed0"
    assert fit(folder, "--trainer.max_epochs", "1", "--model.loss.momentum", "0.9") == 0
    before = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    assert main(["fit", "--resume", str(folder), "--trainer.max_epochs", "2"]) == 0
    after = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    assert (before["global_step"], after["global_step"]) == (4, 8)
    steps = [int(row["step"]) for row in rows_of(folder / "metrics.csv") if row["train/loss"]]
    assert steps == list(range(8))
    # the schedule spans the new length: a rate that had reached 0 goes on at half of the first
    rates = [float(r["train/lr"]) for r in rows_of(folder / "metrics.csv") if r["train/lr"]]
    assert rates[4] == pytest.approx(1e-3 * 0.5**0.9)
    assert rates[7] == pytest.approx(1e-3 * 0.125**0.9)
    # the moving average goes on from the stored state: nine tenths of it are still there
    recall = [
        {r["class"]: float(r["value"]) for r in rows_of(folder / "classes.csv")
         if r["stat"] == "loss_recall" and r["step"] == str(step)}
        for step in (3, 4)
    ]  # fmt: skip
    assert any(value > 0.01 for value in recall[0].values())
    for name in recall[0].keys() & recall[1].keys():
        low = 0.9 * recall[0][name] - 1e-5  # six digits are logged
        assert low <= recall[1][name] <= low + 0.1 + 2e-5


def test_what_is_given_with_resume_wins(tmp_path: Path) -> None:
    folder = tmp_path / "seed0"
    assert fit(folder, "--trainer.max_steps", "1") == 0
    more = ["--model.loss.momentum", "0.9", "--trainer.max_steps", "2"]
    optimizer = [
        "--model.optimizer.init_args.lr",
        "0.01",
        "--model.optimizer.init_args.eps",
        "1e-6",
    ]
    assert main(["fit", "--resume", str(folder), *more, *optimizer]) == 0
    assert "momentum: 0.9" in (folder / "config.yaml").read_text()
    rates = [float(r["train/lr"]) for r in rows_of(folder / "metrics.csv") if r["train/lr"]]
    assert rates == pytest.approx([1e-3, 1e-2 * 0.5**0.9])
    state = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["optimizer_states"]
    assert state[0]["param_groups"][0]["eps"] == 1e-6


def test_a_refused_resume_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "seed0"
    assert fit(folder, "--trainer.max_steps", "1") == 0
    before = (folder / "config.yaml").read_text()
    other = ["--model.loss.class_path", "lit_seg.losses.CrossEntropyLoss"]
    assert main(["fit", "--resume", str(folder), "--trainer.max_steps", "2", *other]) == 2
    assert (folder / "config.yaml").read_text() == before
    assert main(["fit", "--resume", str(folder), "--trainer.max_steps", "2"]) == 0


def test_resume_does_not_need_the_weights_it_once_started_from(run: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.ckpt"
    weights.write_bytes((run / "checkpoints" / "last.ckpt").read_bytes())
    folder = tmp_path / "seed0"
    assert fit(folder, "--trainer.max_steps", "1", "--model.init", str(weights)) == 0
    weights.unlink()
    assert main(["fit", "--resume", str(folder), "--trainer.max_steps", "2"]) == 0
    assert f"init: {weights}" in (folder / "config.yaml").read_text()


def test_accumulated_batches_log_one_row_per_step(tmp_path: Path) -> None:
    accumulate = ("--trainer.accumulate_grad_batches", "2", "--trainer.max_epochs", "1")
    assert fit(tmp_path / "a", *accumulate) == 0
    assert main(["fit", "--resume", str(tmp_path / "a"), "--trainer.max_epochs", "2"]) == 0
    rows = [(r["step"], r["stat"], r["class"]) for r in rows_of(tmp_path / "a" / "classes.csv")]
    assert {step for step, _, _ in rows} == {"0", "1", "2", "3"}
    assert len(rows) == len(set(rows))
