"""What a run logged, as rows (step, statistic, class, value): from its CSV files or W&B's keys."""

import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from lit_seg.errors import RunError
from lit_seg.runs.layout import CLASS_STEP, CLASSES, COST, METRICS

ROWS = ["step", "stat", "class", "value"]
_KINDS = ("train", "val", "class", "cost")
_GLOBAL_STEP = "trainer/global_step"


def rows_of_folder(folder: Path) -> pd.DataFrame:
    """The rows of a run's CSV files, also while it is writing them.

    Raises:
        RunError: naming the file that is damaged.
    """
    classes = read_table(folder / CLASSES, ROWS)
    classes["stat"] = "class/" + classes["stat"]
    tables = [metrics(folder / METRICS), _numbers(classes[ROWS], folder / CLASSES)]
    return tidy(pd.concat([*tables, costs(folder / COST)], ignore_index=True))


def rows_of_history(history: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """The rows of what W&B recorded, in the order in which it was logged."""
    return tidy(pd.DataFrame(_history_rows(history), columns=ROWS))


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """A CSV file as text, without a last line that is being written; no rows if it is not there.

    Raises:
        RunError: if it lacks one of ``columns``, or is none.
    """
    content = path.read_bytes() if path.is_file() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if not whole.strip():
        return pd.DataFrame(columns=columns, dtype=str)
    return parse(whole, columns, path)


def parse(
    whole: bytes, columns: list[str], path: Path, types: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """The table of whole lines with a header: text, or of ``types``, in which nan is a number.

    Raises:
        RunError: if it lacks one of ``columns``, or is none.
    """
    try:
        table = pd.read_csv(
            io.BytesIO(whole),
            dtype=types or str,
            keep_default_na=False,
            na_values={"value": ["nan"]} if types else None,
        )
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


def metrics(path: Path, kinds: Sequence[str] = _KINDS) -> pd.DataFrame:
    """``metrics.csv``: a column per key; an empty cell was not logged, ``nan`` is not defined.

    Raises:
        RunError: if it is damaged.
    """
    wide = read_table(path, ["step"])
    parts = [pd.DataFrame(columns=ROWS, dtype=str)]
    for key in wide.columns:
        stat, name = _split(key) or ("", "")
        if stat.partition("/")[0] in kinds:
            part = wide.loc[wide[key] != "", ["step", key]].rename(columns={key: "value"})
            parts.append(part.assign(**{"stat": stat, "class": name})[ROWS])
    return _numbers(pd.concat(parts, ignore_index=True), path)


def costs(path: Path) -> pd.DataFrame:
    """``cost.csv``.

    Raises:
        RunError: if it is damaged.
    """
    table = read_table(path, ["step", "cost", "value"]).rename(columns={"cost": "stat"})
    table = table.assign(**{"stat": "cost/" + table["stat"], "class": ""})
    return _numbers(table[ROWS], path)


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


def tidy(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows in one order; of what was logged again after a resume, the last."""
    rows = rows.astype({"step": int, "value": float})
    rows = rows.drop_duplicates(ROWS[:3], keep="last")
    return rows.sort_values(["stat", "class", "step"], ignore_index=True)
