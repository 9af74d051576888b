"""What a run costs, measured on a trainer whose steps take a known time."""

import time
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning import Callback

from lit_seg.callbacks.cost import Cost
from lit_seg.loggers.csv_log import CSVLog
from lit_seg.tasks import LitSegmenter
from tests.tasks.test_segmentation import SMALL, batches, loader, trainer
from tests.test_cli import rows_of


class Slow(Callback):
    """Makes each batch last a tenth of a second longer, doing nothing, half of it at its end."""

    def on_after_backward(self, trainer: Any, pl_module: Any) -> None:
        time.sleep(0.05)

    def on_train_batch_end(self, *_: Any) -> None:
        time.sleep(0.05)


def costs(folder: Path, dataset: type = list, **options: Any) -> list[dict[str, float]]:
    model = LitSegmenter([1, 1], ["a", "b"], **SMALL)
    data = batches(4, 2)
    fit = trainer(folder, **{"max_epochs": 2, "num_sanity_val_steps": 0, **options})
    fit.callbacks += [Cost(), Slow()]
    fit.loggers = [CSVLog(folder)]
    fit.fit(model, loader(dataset(data)), loader(data[:1]))
    found: dict[str, dict[str, float]] = {}
    for row in rows_of(folder / "cost.csv"):
        found.setdefault(row["step"], {})[row["cost"]] = float(row["value"])
    return list(found.values())


class Late(list[Any]):
    """A dataset whose batches take longer than the steps."""

    def __getitem__(self, index: Any) -> Any:
        time.sleep(0.6)  # so that a busy machine's step is still short beside it
        return super().__getitem__(index)


def test_the_share_of_waiting_tells_a_slow_loader(tmp_path: Path) -> None:
    (late,) = costs(tmp_path, Late, max_epochs=1)
    assert late["data_seconds"] > 0.3
    assert 60 < late["data_share"] < 100


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_row_set_per_epoch(tmp_path: Path, accumulate: int) -> None:
    found = costs(tmp_path, accumulate_grad_batches=accumulate)
    assert len(found) == 2
    for epoch in found:
        assert epoch["step_seconds"] > 0.1 * accumulate
        assert 0 <= epoch["data_seconds"] < epoch["step_seconds"]
        assert 0 < epoch["data_share"] < 20
        assert epoch["cpu_seconds"] > 0
        assert epoch["utilisation"] > 0
        assert 100 < epoch["peak_memory_mb"] < 100_000
    assert found[1]["peak_memory_mb"] >= found[0]["peak_memory_mb"]


def test_nothing_is_logged_of_an_epoch_whose_only_step_warmed_up(tmp_path: Path) -> None:
    model = LitSegmenter([1, 1], ["a", "b"], **SMALL)
    fit = trainer(tmp_path, max_steps=1, limit_val_batches=0)
    fit.callbacks.append(Cost())
    fit.loggers = [CSVLog(tmp_path)]
    fit.fit(model, loader(batches(1, 2)))
    assert not (tmp_path / "cost.csv").exists()
