"""What a run logged, as rows (step, statistic, class, value): from its CSV files or W&B's keys."""

import io
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pandas as pd

from lit_seg.errors import RunError
from lit_seg.loggers import CLASS_STEP
from lit_seg.runs import CLASSES, COST, METRICS

ROWS = ["step", "stat", "class", "value"]
_KINDS = ("train", "val", "class", "cost")
_GLOBAL_STEP = "trainer/global_step"


def rows_of_folder(folder: Path) -> pd.DataFrame:
    """The rows of a run's CSV files, also while it is writing them.

    Raises:
        RunError: naming the file that is damaged.
    """
    tables = [_metrics(folder / METRICS)]
    for file, kind, columns in (
        (CLASSES, "class", ["step", "stat", "class", "value"]),
        (COST, "cost", ["step", "cost", "value"]),
    ):
        table = read_table(folder / file, columns)
        if kind == "cost":
            table = table.rename(columns={"cost": "stat"}).assign(**{"class": ""})
        table["stat"] = kind + "/" + table["stat"]
        tables.append(_numbers(table[ROWS], folder / file))
    return _tidy(pd.concat(tables, ignore_index=True))


def rows_of_history(history: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """The rows of what W&B recorded, in the order in which it was logged."""
    return _tidy(pd.DataFrame(_history_rows(history), columns=ROWS))


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """A CSV file as text, without a last line that is being written; no rows if it is not there.

    Raises:
        RunError: if it lacks one of ``columns``, or is none.
    """
    content = path.read_bytes() if path.is_file() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if not whole.strip():
        return pd.DataFrame(columns=columns, dtype=str)
    try:
        table = pd.read_csv(io.BytesIO(whole), dtype=str, keep_default_na=False)
        if not isinstance(table.index, pd.RangeIndex):
            raise ValueError("a row has more fields than the header")
    except ValueError as error:  # of pandas or of UTF-8
        raise RunError(
            f"{path}: cannot be read as CSV ({str(error).splitlines()[0]}); take out what is "
            "damaged, or move the file away"
        ) from None
    if missing := [column for column in columns if column not in table]:
        raise RunError(
            f"{path}: has no column {', '.join(missing)}, it is of another version or program; "
            "move the file away"
        )
    return table


def _metrics(path: Path) -> pd.DataFrame:
    """``metrics.csv``: a column per key; an empty cell was not logged, ``nan`` is not defined."""
    wide = read_table(path, ["step"])
    keys = [key for key in wide.columns if _split(key)]
    long = wide.melt(id_vars="step", value_vars=keys, var_name="key", value_name="value")
    long = long[long["value"] != ""]
    parts = [_split(key) or ("", "") for key in long["key"]]
    long["stat"] = pd.Series([stat for stat, _ in parts], long.index, dtype=str)
    long["class"] = pd.Series([name for _, name in parts], long.index, dtype=str)
    return _numbers(long[ROWS], path)


def _split(key: str) -> tuple[str, str] | None:
    """Statistic and class of a key; None if it is not of this schema."""
    kind, *rest = key.split("/", 2)
    if kind not in _KINDS or not rest:
        return None
    if len(rest) == 1 and "." in rest[0]:
        return None  # a part of a table or picture in W&B
    return f"{kind}/{rest[0]}", rest[1] if len(rest) == 2 else ""


def _numbers(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    try:
        return table.assign(step=table["step"].astype(int), value=table["value"].astype(float))
    except (TypeError, ValueError) as error:
        raise RunError(
            f"{path}: holds what is no number ({error}); take the row out, or move the file away"
        ) from None


def _history_rows(history: Iterable[Mapping[str, object]]) -> Iterator[tuple[object, ...]]:
    for item in history:
        for key, given in item.items():
            parts, value = _split(key), _number(given)
            if parts is None or value is None:
                continue
            step = _number(item.get(CLASS_STEP if key.startswith("class/") else _GLOBAL_STEP))
            if step is not None and math.isfinite(step):
                yield int(step), *parts, value


def _number(given: object) -> float | None:
    """A value as W&B gives it back: ``"NaN"`` and ``"Infinity"`` are text there."""
    if isinstance(given, str) and given in ("NaN", "Infinity", "-Infinity"):
        return float(given)
    return float(given) if isinstance(given, int | float) else None


def _tidy(rows: pd.DataFrame) -> pd.DataFrame:
    """In one order; of what was logged again after a resume, the last."""
    rows = rows.astype({"step": int, "value": float})
    rows = rows.drop_duplicates(ROWS[:3], keep="last")
    return rows.sort_values(["stat", "class", "step"], ignore_index=True)
