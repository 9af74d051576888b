"""Callbacks and loggers of Lightning: each works, or one line says why not and what to do."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytorch_lightning.callbacks
import torch
from pytorch_lightning import Callback
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger
from torch import nn
from torch.optim.swa_utils import AveragedModel

from lit_seg.checkpoints.averaged_weights import keep_state, prepare_averages
from lit_seg.cli import option_checks
from lit_seg.cli.option_checks import check_callbacks
from lit_seg.errors import RunError
from lit_seg.loggers.csv_log import CSVLog
from lit_seg.loggers.run_loggers import LateLoggers, run_loggers, started
from tests.test_cli import fit, rows_of

DOC = (Path(__file__).parent.parent / "docs/lightning.md").read_text(encoding="utf-8")
REFUSED = option_checks._NOT_SUPPORTED


@pytest.mark.parametrize("cls", REFUSED, ids=lambda cls: cls.__name__)
def test_what_cannot_work_is_refused_with_a_way_out(cls: type[Callback]) -> None:
    """Also a class of the user that is made from it."""
    own = type("Own", (cls,), {"__init__": lambda self: None})
    with pytest.raises(RunError, match=r"`trainer.callbacks` cannot hold Own: .+; .+"):
        check_callbacks([Callback(), own()])
    assert re.search(rf"^\|.*`{cls.__name__}`.* \| no: ", DOC, re.MULTILINE)


def test_the_document_has_a_row_for_each_callback_of_lightning() -> None:
    names = set(pytorch_lightning.callbacks.__all__) - {"Callback", "Checkpoint", "ProgressBar"}
    rows = {name for row in re.findall(r"^\| (`.*?) \|", DOC, re.M) for name in row.split("`")}
    assert names - rows == set()


def test_a_run_takes_callbacks_and_loggers_beside_its_own(
    few_streets: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bar also in a terminal, a timer with its defaults, a logger; and no checkpoints."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    folder = tmp_path / "run"
    names = ("TQDMProgressBar", "LearningRateMonitor", "DeviceStatsMonitor", "RichModelSummary")
    callbacks = [f"{{class_path: pytorch_lightning.callbacks.{name}}}" for name in names]
    timer = "{class_path: Timer, init_args: {duration: {hours: 9}}}"
    logger = "{class_path: CSVLogger, init_args: {save_dir: " + str(folder) + "}}"
    options = (
        *("--trainer.max_steps", "1", "--trainer.limit_val_batches", "1"),
        *("--trainer.callbacks", f"[{', '.join([*callbacks, timer])}]"),
        *("--trainer.enable_progress_bar", "true", "--trainer.enable_checkpointing", "false"),
        *("--trainer.logger", logger),
    )
    assert fit(folder, *options) == 0
    assert {row["step"] for row in rows_of(folder / "classes.csv")} == {"0"}
    ours, theirs = (rows_of(path) for path in (folder / "metrics.csv", _theirs(folder)))
    for rows in (ours, theirs):
        assert [row["train/loss"] for row in rows if row["train/loss"]] != []
        assert "lr-AdamW" in rows[0]
    assert not (folder / "checkpoints").exists()
    assert "interval: step" in (folder / "config.yaml").read_text()


def _theirs(folder: Path) -> Path:
    return folder / "lightning_logs" / "version_0" / "metrics.csv"


def test_a_logger_of_the_user_is_added_and_wandb_is_there_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kinds(**options: Any) -> list[type[Logger]]:
        return [type(logger) for logger in run_loggers(tmp_path, **options)]

    monkeypatch.setenv("WANDB_MODE", "offline")
    csv, wandb = CSVLogger(tmp_path), WandbLogger(save_dir=tmp_path, offline=True)
    assert [cls.__name__ for cls in kinds(own=[csv])] == ["CSVLog", "WandbLog", "CSVLogger"]
    assert kinds(own=[wandb]) == [CSVLog, WandbLogger]
    assert kinds(online=False) == [CSVLog]
    assert kinds(resumed=True) == [CSVLog, LateLoggers]


def test_late_loggers_get_what_they_missed(tmp_path: Path) -> None:
    own = CSVLog(tmp_path)
    before = [CSVLog(tmp_path / "ours"), LateLoggers([own])]
    before[1].log_metrics({"train/loss": 1.0}, 4)
    assert not (tmp_path / "metrics.csv").exists()
    assert started(before) == [before[0], own]
    assert [row["step"] for row in rows_of(tmp_path / "metrics.csv")] == ["4"]


def test_only_the_network_is_averaged() -> None:
    """A constant would differ from its average by rounding, and so would a resumed run's scores."""
    module = nn.Module()
    module.network, module.loss = nn.BatchNorm1d(1), nn.Module()
    module.register_buffer("mean", torch.tensor([123.675, 58.395, 0.1]), persistent=False)
    module.loss.register_buffer("recall", torch.tensor([torch.nan, 0.5]))
    module.loss.register_buffer("started", torch.tensor(False))
    average = WeightAveraging()
    average._average_model = AveragedModel(module, use_buffers=True)
    trainer: Any = SimpleNamespace(callbacks=[average])
    prepare_averages(trainer, SimpleNamespace(device="cpu"))  # type: ignore[arg-type]
    for step in range(5):
        average._average_model.update_parameters(module)
        module.network.running_mean += 1
        module.network.num_batches_tracked += 1
        module.loss.recall.fill_(step)
        module.loss.started.fill_(True)
    keep_state(trainer, module, {"loss.recall": torch.tensor([7.0, 8.0])})  # type: ignore[arg-type]
    found = dict(average._average_model.module.named_buffers())
    assert found["network.running_mean"] == 2  # of 0 to 4
    assert found["network.num_batches_tracked"] == 4
    assert torch.equal(found["mean"], module.mean)
    assert found["loss.recall"].tolist() == [7, 8]
    assert found["loss.started"]


def test_an_average_is_where_the_module_is_unless_told() -> None:
    module = SimpleNamespace(device=torch.device("meta"))
    for given, found in ((None, "meta"), ("cpu", "cpu")):
        average = WeightAveraging(device=given)
        average._average_model = AveragedModel(nn.Linear(1, 1))
        prepare_averages(SimpleNamespace(callbacks=[average]), module)  # type: ignore[arg-type]
        assert next(average._average_model.parameters()).device.type == found
