"""A run goes on with another number of ranks, and its recall state as if nothing had happened.

As in ``test_ranks``, whose runs these are: no batch statistics, no augmentation, float64.
"""

import os
import signal
from pathlib import Path

import pytest
import torch
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from lit_seg.cli.main import main
from lit_seg.data.datasets.streets import streets
from lit_seg.tasks import LitSegmenter
from tests import few_streets_cli
from tests.distributed import run_command_line
from tests.test_faults import at_call, step_of
from tests.test_ranks import BATCH, VAL_IMAGES, alone, arguments, at_the_end, column

__all__ = ["alone"]  # a fixture


@pytest.fixture(autouse=True)
def _streets(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = {**few_streets_cli.SPLITS, "val": (1, VAL_IMAGES["recall"])}
    monkeypatch.setattr(streets, "_SPLITS", splits)
    monkeypatch.setenv("VAL_IMAGES", str(VAL_IMAGES["recall"]))


def on(ranks: int) -> list[str]:
    """The same batch of all ranks together."""
    size = str(BATCH // ranks)
    return ["--trainer.devices", str(ranks), "--data.init_args.batch_size", size]


def assert_same_run(folder: Path, alone: Path) -> None:
    assert (folder / "run/classes.csv").read_bytes() == (alone / "run/classes.csv").read_bytes()
    for key in ("train/loss", "val/loss", "val/miou"):
        assert column(folder, key) == pytest.approx(column(alone, key), rel=1e-6)
    for name, weight in at_the_end(alone).items():
        torch.testing.assert_close(
            at_the_end(folder)[name], weight, rtol=1e-6, atol=1e-6, equal_nan=True
        )


@pytest.mark.slow  # as in `make kills`
def test_two_ranks_stop_and_one_goes_on(tmp_path: Path, alone: dict[str, Path]) -> None:
    with pytest.raises(ChildFailedError) as stopped:
        run_command_line(arguments(tmp_path, "recall", 2), ranks=2, FAIL="0:2:TERM")
    codes = {failure.exitcode for failure in stopped.value.failures.values()}
    assert codes == {128 + signal.SIGTERM}
    # both finished the step in which one was told
    assert step_of(tmp_path / "run/checkpoints/last.ckpt") == 3
    assert main(["fit", "--resume", str(tmp_path / "run"), *on(1)]) == 0
    assert_same_run(tmp_path, alone["recall"])


def test_one_stops_and_two_ranks_go_on(tmp_path: Path, alone: dict[str, Path]) -> None:
    with at_call(2, LitSegmenter, "training_step", lambda: os.kill(os.getpid(), signal.SIGTERM)):
        assert main(arguments(tmp_path, "recall", 1)) == 128 + signal.SIGTERM
    assert step_of(tmp_path / "run/checkpoints/last.ckpt") == 2
    assert run_command_line(["fit", "--resume", str(tmp_path / "run"), *on(2)], ranks=2) == [0, 0]
    assert_same_run(tmp_path, alone["recall"])
