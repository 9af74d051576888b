"""Real data trains through the command line, where $DATA_ROOT has it."""

import os
from pathlib import Path

import pytest

from lit_seg.cli.main import main
from tests.conftest import TINY, layers
from tests.test_cli import rows_of

ROOT = Path(os.environ.get("DATA_ROOT", "data"))


@pytest.mark.parametrize(
    ("data", "needs", "classes"),
    [
        ("camvid", "train.txt", 11),
        ("cityscapes", "gtFine", 19),
        ("oxford_pet", "annotations/trainval.txt", 3),
    ],
)
def test_a_few_steps(data: str, needs: str, classes: int, tmp_path: Path) -> None:
    if not (ROOT / data / needs).exists():
        pytest.skip(f"{ROOT / data} does not hold {data}")
    trains(data, classes, tmp_path)


def test_a_few_steps_of_ade20k(tmp_path: Path) -> None:
    """On validation images, linked as training images too: of some samples they are all."""
    release = Path("ade20k/ADEChallengeData2016")
    found = sorted((ROOT / release / "images/validation").glob("*.jpg"))[:3]
    if not found:
        pytest.skip(f"{ROOT / release} holds no validation images")
    for kind, suffix in (("images", ".jpg"), ("annotations", ".png")):
        for part, prefix in (("training", "ADE_train"), ("validation", "ADE_val")):
            folder = tmp_path / release / kind / part
            folder.mkdir(parents=True)
            for i, image in enumerate(found):
                real = ROOT / release / kind / "validation" / f"{image.stem}{suffix}"
                (folder / f"{prefix}_{i:08}{suffix}").symlink_to(real.resolve())
    trains("ade20k", 150, tmp_path, "--data.init_args.root", str(tmp_path / "ade20k"))


def trains(data: str, classes: int, tmp_path: Path, *more: str) -> None:
    limits = ["--trainer.max_steps", "2", "--trainer.limit_val_batches", "1"]
    epochs = ["--trainer.max_epochs", "2", "--trainer.limit_train_batches", "1"]
    # the batch size of the configuration: the few real frames of a sample must train with it
    own = ["--data.init_args.num_workers", "0", "--data.init_args.batch_size", "8"]
    args = ["fit", *layers(data=data), *TINY, *limits, *epochs, *own]
    assert main([*args, *more, "--run_dir", str(tmp_path / "run")]) == 0
    losses = [
        float(r["train/loss"]) for r in rows_of(tmp_path / "run/metrics.csv") if r["train/loss"]
    ]
    assert len(losses) == 2
    assert all(loss > 0 for loss in losses)
    assert f"of {classes} classes" in (tmp_path / "run/val_table.md").read_text()
