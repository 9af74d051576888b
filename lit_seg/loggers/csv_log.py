"""The numbers of a run in CSV files."""

import csv
import io
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_only
from pytorch_lightning.loggers import Logger

from lit_seg.errors import RunError
from lit_seg.files.atomic_io import replace_text, writing
from lit_seg.runs.layout import CLASSES, COST, METRICS
from lit_seg.runs.records import RECORD, split_key


class CSVLog(Logger):
    """Writes ``metrics.csv``, a column per metric, and two tidy files.

    Statistics of classes become records (step, stat, class, value) in ``classes.csv``, to six
    digits since there are many. Costs become rows (step, cost, value) in ``cost.csv``, a file of
    its own because it differs each time a run is repeated.
    Rows are on disk when :meth:`log_metrics` returns, and a run that goes on after an interruption
    appends to what is there, after :meth:`keep_before` dropped what it will log again.

    Args:
        folder: the folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._columns: list[str] = []

    @property
    def name(self) -> str:
        return ""

    @property
    def version(self) -> str:
        return ""

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

        Args:
            step: the first step that will be logged again.
            validated: whether to keep the scores of a validation after the step before it.
        """

        def keep(row: dict[str, str]) -> bool:
            try:
                at = int(row["step"])
            except (KeyError, TypeError, ValueError):
                raise RunError(
                    f"{self.folder}: a CSV file holds {list(row.values())}, which is no row of "
                    "this run; take it out, or move the file away"
                ) from None
            again = at == step - 1 and not validated and bool(row.get("val/miou"))
            return at < step and not again

        for path in (self.folder / METRICS, self.folder / CLASSES, self.folder / COST):
            if path.exists():
                _rewrite(path, keep)

    def has_scores_of(self, step: int) -> bool:
        """Whether the scores of a validation after ``step`` were logged."""
        path = self.folder / METRICS
        if not path.exists():
            return False
        with path.open(newline="", encoding="utf-8") as file:
            return any(
                row["step"] == str(step) and row.get("val/miou") for row in csv.DictReader(file)
            )

    def _log_wide(self, row: dict[str, Any]) -> None:
        path = self.folder / METRICS
        if not self._columns and path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                self._columns = next(csv.reader(file), [])
        new = [key for key in row if key not in self._columns]
        if new:  # the first epoch brings the validation columns: widen what is written
            self._columns += new
            if path.exists():
                _rewrite(path, lambda _: True, self._columns)
        _append(path, self._columns, [[row.get(key, "") for key in self._columns]])


def _append(path: Path, columns: list[str], rows: list[list[Any]]) -> None:
    new = not path.exists()
    with writing(path), path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if new:
            writer.writerow(columns)
        writer.writerows(rows)


def _rewrite(
    path: Path, keep: Callable[[dict[str, str]], bool], columns: list[str] | None = None
) -> None:
    """Rewrite a CSV file with some of its rows, and with more columns if given, in one move.

    What a killed process wrote of its last line is cut off: a part of a number is a number.
    """
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1].decode()
    reader = csv.DictReader(io.StringIO(whole, newline=""))
    columns = columns or list(reader.fieldnames or [])
    rows = [row for row in reader if keep(row)]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    replace_text(path, text.getvalue())
