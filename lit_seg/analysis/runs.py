"""Runs as tables: one loader, one schema, for notebooks and comparisons."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from lit_seg.errors import RunError
from lit_seg.runs import CLASSES, CONFIG, METRICS


def newest_run(root: str | Path = "runs") -> Path:
    """The run below ``root`` that was written to last.

    Raises:
        RunError: if there is none.
    """
    logs = sorted(Path(root).glob(f"**/{METRICS}"), key=lambda path: path.stat().st_mtime)
    if not logs:
        raise RunError(f"{root}: holds no run yet; `make train` makes one")
    return logs[-1].parent


def load_classes(runs: Sequence[str | Path]) -> pd.DataFrame:
    """What happened to each class in each run.

    Returns:
        A row per (run, step, stat, class) with its value: recall and weights as the loss offered
        them in training, and ``val_iou``, ``val_recall`` and ``val_precision`` of each validation.

    Raises:
        RunError: if a folder is no run.
    """
    return pd.concat([_classes_of(Path(run)) for run in runs], ignore_index=True)


def load_metrics(runs: Sequence[str | Path]) -> pd.DataFrame:
    """The metrics of each run that are not of a class: a row per (run, step, metric, value).

    Raises:
        RunError: if a folder is no run.
    """
    return pd.concat([_metrics_of(Path(run)) for run in runs], ignore_index=True)


def _long_metrics(run: Path) -> pd.DataFrame:
    """``metrics.csv``, one row per value that was logged."""
    path = run / METRICS
    if not path.is_file():
        hint = "" if (run / CONFIG).is_file() else f", nor a {CONFIG}: is it the folder of a run?"
        raise RunError(f"{run}: holds no {METRICS}{hint}")
    wide = pd.read_csv(path)
    long = wide.melt(id_vars="step", var_name="metric", value_name="value").dropna()
    return long.assign(run=str(run))[["run", "step", "metric", "value"]]


def _metrics_of(run: Path) -> pd.DataFrame:
    long = _long_metrics(run)
    return long[long["metric"].str.count("/") < 2].reset_index(drop=True)


def _classes_of(run: Path) -> pd.DataFrame:
    long = _long_metrics(run)
    scores = long[long["metric"].str.count("/") == 2]
    parts = scores["metric"].str.split("/", n=2, expand=True).reindex(columns=range(3))
    tables = [
        pd.DataFrame(
            {
                "run": scores["run"],
                "step": scores["step"],
                "stat": parts[0] + "_" + parts[1],
                "class": parts[2],
                "value": scores["value"],
            }
        )
    ]
    if (run / CLASSES).is_file():
        stats = pd.read_csv(run / CLASSES)
        tables.append(stats.assign(run=str(run))[["run", "step", "stat", "class", "value"]])
    return pd.concat(tables, ignore_index=True)
