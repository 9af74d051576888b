"""The numbers of a run in CSV files."""

import csv
from argparse import Namespace
from pathlib import Path
from typing import Any

import pandas as pd
from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.loggers import Logger

from lit_seg.files.atomic_io import replace_text, writing
from lit_seg.runs.csv_rows import numbers, read_table
from lit_seg.runs.layout import CLASSES, COST, METRICS
from lit_seg.runs.records import RECORD, split_key


class CSVLog(Logger):
    """Writes ``metrics.csv``, a column per metric, and two tidy files.

    Statistics of classes become records (step, stat, class, value) in ``classes.csv``, to six
    digits since there are many. Costs become rows (step, cost, value) in ``cost.csv``, a file of
    its own because it differs each time a run is repeated.
    Rows are on disk when :meth:`log_metrics` returns, and a run that goes on after an interruption
    appends to what is there, after :meth:`keep_before` dropped what it will log again.
    """

    name = version = ""  # the folder has both in its path

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._columns: list[str] = []

    @property
    def save_dir(self) -> str:
        return str(self.folder)

    @rank_zero_only
    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Nothing: ``config.yaml`` holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append the metrics of a step."""
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        classes, costs, wide = [], [], {}
        for key, value in metrics.items():
            stat, name = split_key(key) or (key, "")
            kind, _, rest = stat.partition("/")
            if kind == "class":
                classes.append([step, rest, name, f"{value:.6g}"])
            elif kind == "cost":
                costs.append([step, rest, f"{value:.6g}"])
            else:
                wide[key] = float(value)
        if classes:
            _append(self.folder / CLASSES, RECORD, classes)
        if costs:
            _append(self.folder / COST, ["step", "cost", "value"], costs)
        if wide:
            self._log_wide({"step": step, **wide})

    @rank_zero_only
    def keep_before(self, step: int, validated: bool = True) -> None:
        """Drop what was logged at ``step`` or later, and a last line that is not whole.

        The scores of a validation after the step before it are kept if ``validated``.
        """
        for path in (self.folder / METRICS, self.folder / CLASSES, self.folder / COST):
            if path.exists():
                table = read_table(path, ["step"])
                at = numbers(table[["step"]], path)["step"]
                kept = at < step
                if not validated and "val/miou" in table:
                    kept &= (at < step - 1) | (table["val/miou"] == "")
                _replace(path, table[kept])

    def has_scores_of(self, step: int) -> bool:
        """Whether the scores of a validation after ``step`` were logged."""
        table = read_table(self.folder / METRICS, ["step"])
        scored = table["step"] == str(step)
        return "val/miou" in table and bool((table.loc[scored, "val/miou"] != "").any())

    def _log_wide(self, row: dict[str, Any]) -> None:
        path = self.folder / METRICS
        if not self._columns:
            self._columns = list(read_table(path, []))
        new = [key for key in row if key not in self._columns]
        if new:  # the first epoch brings the validation columns: widen what is written
            self._columns += new
            if path.exists():
                _replace(path, read_table(path, []).reindex(columns=self._columns, fill_value=""))
        _append(path, self._columns, [[row.get(key, "") for key in self._columns]])


def _append(path: Path, columns: list[str], rows: list[list[Any]]) -> None:
    new = not path.exists()
    with writing(path), path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(columns)
        writer.writerows(rows)


def _replace(path: Path, table: pd.DataFrame) -> None:
    """Write a table in place of a CSV file in one move, with line ends as of ``csv``."""
    replace_text(path, table.to_csv(index=False, lineterminator="\r\n"))
