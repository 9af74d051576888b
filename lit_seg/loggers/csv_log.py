"""Logs the numbers of a run to CSV files."""

import csv
from argparse import Namespace
from pathlib import Path
from typing import Any

import pandas as pd
from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.loggers import Logger

from lit_seg.errors import WriteError
from lit_seg.files.atomic_io import replace_text, without_links, writing
from lit_seg.runs.csv_rows import numbers, read_table
from lit_seg.runs.layout import CLASSES, COST, METRICS, VAL_RECALL
from lit_seg.runs.records import EVERY, RECORD, split_key, split_stat


class CSVLog(Logger):
    """Writes ``metrics.csv``, a column per metric, and two tidy files.

    Statistics of classes become records (step, stat, class, value) in ``classes.csv``, to six
    digits since there are many. Costs become rows (step, cost, value) in ``cost.csv``, a file of
    its own because it differs each time a run is repeated. ``val_recall.csv`` has a row per
    validation and a column per class, where the classes are too many for a metric each.
    Rows are on disk when :meth:`log_metrics` returns, and a run that goes on after an interruption
    appends to what is there, after :meth:`keep_before` dropped what it logs again.
    """

    name = version = ""  # the folder has both in its path

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._columns: list[str] = []
        self._written: set[Path] = set()  # by this process
        self._held: list[tuple[dict[str, float], int | None]] | None = None
        self._tables: dict[Path, pd.DataFrame] = {}  # what is kept of each file that is held

    @property
    def save_dir(self) -> str:
        return str(self.folder)

    @rank_zero_only
    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Do nothing, because ``config.yaml`` holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Append the metrics of a step."""
        if self._held is not None:
            self._held.append((metrics, step))
            return
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        classes, costs, wide, every = [], [], {}, {}
        for key, value in metrics.items():
            stat, name = split_key(key) or (key, "")
            kind, rest = split_stat(stat)
            if kind == "class":
                classes.append([step, rest, name, f"{value:.6g}"])
            elif kind == EVERY:
                every[rest] = f"{value:.4g}"
            elif kind == "cost":
                costs.append([step, rest, f"{value:.6g}"])
            else:
                wide[key] = float(value)
        if classes:
            self._append(self.folder / CLASSES, RECORD, classes)
        if costs:
            self._append(self.folder / COST, ["step", "cost", "value"], costs)
        if every:
            self._append(self.folder / VAL_RECALL, ["step", *every], [[step, *every.values()]])
        if wide:
            self._log_wide({"step": step, **wide})

    @rank_zero_only
    def hold(self, step: int, validations: int | None = None) -> None:
        """Write nothing until :meth:`keep_before`, which gets the same arguments.

        Raises:
            RunError: if what is kept of a file is damaged, also where only the end of the run reads
                it. What is dropped may be damaged: a kill can leave half a row.
        """
        self._tables = self._kept(step, validations)
        for path, table in self._tables.items():
            values = table.drop(columns=["stat", "class", "cost"], errors="ignore")
            numbers(values.replace("", "nan"), path, dict.fromkeys(values, float))
        self._held = []

    @rank_zero_only
    def keep_before(self, step: int, validations: int | None = None) -> None:
        """Drop what was logged at ``step`` or later, and a last line that is not whole.

        Args:
            step: the first step that will be logged again.
            validations: how many of the step before it to keep, where one is held again; with
                accumulated gradients a step may have several.
        """
        for path, table in (self._tables or self._kept(step, validations)).items():
            _replace(path, table)
        held, self._held, self._tables = self._held or [], None, {}
        for metrics, at in held:
            self.log_metrics(metrics, at)

    def _kept(self, step: int, validations: int | None) -> dict[Path, pd.DataFrame]:
        """Read what is kept of each file; all files are read before one is written."""
        tables = {}
        for path in (self.folder / name for name in (METRICS, CLASSES, COST, VAL_RECALL)):
            if path.exists():
                table = read_table(path, ["step"])
                if table.empty:  # killed before its first line was written
                    tables[path] = table.iloc[:, :0]
                    continue
                at = numbers(table[["step"]], path)["step"]
                kept = at < step
                if validations is not None and ("val/miou" in table or path.name == VAL_RECALL):
                    scored = at == step - 1
                    if path.name != VAL_RECALL:
                        scored &= table["val/miou"] != ""
                    kept &= ~scored | (scored.cumsum() <= validations)
                tables[path] = table[kept]
        return tables

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
        self._append(path, self._columns, [[row.get(key, "") for key in self._columns]])

    def _append(self, path: Path, columns: list[str], rows: list[list[Any]]) -> None:
        new = not path.exists() or not path.stat().st_size
        if new and path in self._written:
            raise WriteError(
                f"{path}: was removed while the run wrote it, and its rows are lost; train the run "
                "anew"
            )
        with (
            writing(path),
            open(path, "a", newline="", encoding="utf-8", opener=without_links) as file,
        ):
            writer = csv.writer(file)
            if new:
                writer.writerow(columns)
            writer.writerows(rows)
        self._written.add(path)


def _replace(path: Path, table: pd.DataFrame) -> None:
    """Replace a CSV file by a table in one move, with the line ends of ``csv``."""
    text = table.to_csv(index=False, lineterminator="\r\n")
    replace_text(path, "" if table.columns.empty else text)
