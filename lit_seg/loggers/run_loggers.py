"""Where a run's numbers go: CSV files always, and Weights & Biases online or offline."""

from pathlib import Path

from pytorch_lightning.loggers import Logger

from lit_seg.loggers.csv_log import CSVLog
from lit_seg.loggers.wandb_log import wandb_log


def run_loggers(folder: Path, resumed: bool = False) -> list[Logger]:
    """The loggers of the run in ``folder``; one that is ``resumed`` keeps its W&B id."""
    online = wandb_log(folder, resumed)
    return [CSVLog(folder), *([online] if online else [])]
