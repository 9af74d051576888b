"""Makes the loggers of a run: CSV files, Weights & Biases, and those that the user adds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.loggers import Logger, WandbLogger

from lit_seg.loggers.csv_log import CSVLog
from lit_seg.loggers.wandb_log import wandb_log


class LateLoggers(Logger):
    """Loggers that start when a run has shown that it can go on; until then it keeps their rows.

    W&B and others leave something where they start, which a refused resume must not.
    """

    name = version = ""

    def __init__(self, loggers: Sequence[Logger]) -> None:
        super().__init__()
        self._loggers = loggers
        self._rows: list[tuple[dict[str, float], int | None]] = []

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the whole configuration is logged when the first step is done."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self._rows.append((metrics, step))

    def start(self) -> Sequence[Logger]:
        """Start the loggers, give them their rows, and return them."""
        for logger in self._loggers:
            _ = getattr(logger, "experiment", None)  # most start only when they are asked for it
            for metrics, step in self._rows:
                logger.log_metrics(metrics, step)
        return self._loggers


def run_loggers(
    folder: Path, resumed: bool = False, own: Sequence[Logger] = (), online: bool = True
) -> list[Logger]:
    """Make the loggers of the run in ``folder``.

    Args:
        folder: of the run.
        resumed: whether the run goes on. Then it keeps its W&B id, and all loggers but the CSV
            files wait for its first step.
        own: those that the user adds; a W&B logger takes the place of ours.
        online: false for no W&B.
    """
    ours = online and not any(isinstance(logger, WandbLogger) for logger in own)
    wandb = wandb_log(folder, resumed) if ours else None
    others = [*([wandb] if wandb else []), *own]
    return [CSVLog(folder), *([LateLoggers(others)] if resumed and others else others)]


def started(loggers: Sequence[Logger]) -> list[Logger]:
    """Start the loggers that waited, and return all loggers."""
    parts = [lg.start() if isinstance(lg, LateLoggers) else [lg] for lg in loggers]
    return [logger for part in parts for logger in part]
