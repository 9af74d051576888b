"""The callback logs whatever a loss offers, and knows no loss."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lit_seg.callbacks import ClassDynamics
from lit_seg.loggers import CSVLog
from lit_seg.losses import CrossEntropyLoss
from lit_seg.tasks import LitSegmenter
from tests.tasks.test_segmentation import SMALL, batches, loader, trainer
from tests.test_cli import rows_of


class Talkative(CrossEntropyLoss):
    def class_stats(self) -> dict[str, Tensor]:
        return {"weight": torch.tensor([3.0, 1.0]), "margin": torch.tensor([0.5, torch.nan])}


def logged(loss: type, folder: Path, every_n_steps: int) -> list[tuple[str, ...]]:
    model = LitSegmenter([1, 1], class_names=["a", "b"], loss=loss, **SMALL)
    fit = trainer(folder, max_steps=4, limit_val_batches=0)
    fit.callbacks.append(ClassDynamics(every_n_steps))
    fit.loggers = [CSVLog(folder)]
    fit.fit(model, loader(batches(4, 2)))
    path = folder / "classes.csv"
    return [tuple(row.values()) for row in rows_of(path)] if path.exists() else []


def test_statistics_of_an_unknown_loss_are_logged(tmp_path: Path) -> None:
    rows = logged(Talkative, tmp_path, every_n_steps=2)
    assert [row for row in rows if row[0] == "2"] == [
        ("2", "weight", "a", "3.0"),
        ("2", "weight", "b", "1.0"),
        ("2", "margin", "a", "0.5"),  # and no row for NaN
        ("2", "weight_norm", "a", "0.75"),
        ("2", "weight_norm", "b", "0.25"),
    ]
    assert {row[0] for row in rows} == {"0", "2"}


def test_a_loss_without_statistics_logs_nothing(tmp_path: Path) -> None:
    assert logged(CrossEntropyLoss, tmp_path, every_n_steps=1) == []


def test_the_interval_must_be_positive() -> None:
    with pytest.raises(ValueError, match="`every_n_steps` must be at least 1, got 0"):
        ClassDynamics(0)
