"""Real data trains through the command line, where $DATA_ROOT has it."""

import os
from pathlib import Path

import pytest

from lit_seg.cli import main
from tests.conftest import TINY, layers
from tests.test_cli import rows_of

ROOT = Path(os.environ.get("DATA_ROOT", "data"))


@pytest.mark.parametrize(
    ("data", "needs", "classes"), [("camvid", "train.txt", 11), ("cityscapes", "gtFine", 19)]
)
def test_a_few_steps(data: str, needs: str, classes: int, tmp_path: Path) -> None:
    if not (ROOT / data / needs).exists():
        pytest.skip(f"{ROOT / data} does not hold {data}")
    limits = ["--trainer.max_steps", "2", "--trainer.limit_val_batches", "1"]
    epochs = ["--trainer.max_epochs", "2", "--trainer.limit_train_batches", "1"]
    # the batch size of the configuration: the few real frames of a sample must train with it
    own = ["--data.init_args.num_workers", "0", "--data.init_args.batch_size", "8"]
    args = ["fit", *layers(data=data), *TINY, *limits, *epochs, *own]
    assert main([*args, "--run_dir", str(tmp_path / "run")]) == 0
    losses = [
        float(r["train/loss"]) for r in rows_of(tmp_path / "run/metrics.csv") if r["train/loss"]
    ]
    assert len(losses) == 2
    assert all(loss > 0 for loss in losses)
    assert f"of {classes} classes" in (tmp_path / "run/val_table.md").read_text()
