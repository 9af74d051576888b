"""Reads what a run logged as a table of records, from its CSV files or from W&B's history.

A file that is damaged raises a ``RunError`` that names it.
"""

import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from lit_seg.errors import RunError
from lit_seg.runs.layout import CLASSES, COST, METRICS, VAL_RECALL
from lit_seg.runs.records import KINDS, MAX_NAME, RECORD, split_key, split_stat, stat_of, step_axis

_NUMBERS: dict[str, type] = {"step": int, "value": float}
_TYPES = {"step": "int64", "stat": "category", "class": "category", "value": "float64"}
_BLOCK = 1 << 24  # bytes of ``classes.csv`` that are parsed together


def rows_of_folder(folder: Path) -> pd.DataFrame:
    """Read the records in a run's CSV files, also while it is writing them."""
    classes = read_table(folder / CLASSES, RECORD)
    classes["stat"] = stat_of("class", classes["stat"])
    tables = [metrics(folder / METRICS), numbers(classes[RECORD], folder / CLASSES)]
    return tidy(pd.concat([*tables, costs(folder / COST)], ignore_index=True))


def rows_of_history(history: Iterable[Mapping[str, object]]) -> pd.DataFrame:
    """Make records of W&B's history, which is given in the order of logging."""
    rows: list[tuple[object, ...]] = []
    for item in history:
        for key, given in item.items():
            parts, value = split_key(key), _number(given)
            if parts is None or value is None:
                continue
            step = _number(item.get(step_axis(key)))
            if step is not None and math.isfinite(step):
                rows.append((int(step), *parts, value))
    return tidy(pd.DataFrame(rows, columns=RECORD))


def read_table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Read a CSV file as text; a file that is missing is an empty table.

    A last line that is still being written is left out. The file must have ``columns``.
    """
    content = path.read_bytes() if path.is_file() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if not whole.strip():
        return pd.DataFrame(columns=columns, dtype=str)
    return parse(whole, columns, path)


def parse(
    whole: bytes, columns: list[str], path: Path, types: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Parse the whole lines of a CSV file, as text or as ``types``, where nan is a number."""
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
    if "step" in table and (table["step"] < 0 if types else table["step"].str[:1] == "-").any():
        raise RunError(f"{path}: holds a step below 0; take the row out, or move the file away")
    if (
        "class" in table
        and (table["class"].drop_duplicates().astype(str).str.len() > MAX_NAME).any()
    ):
        raise RunError(
            f"{path}: names a class by more than {MAX_NAME} characters; train the run anew with "
            "shorter names"
        )
    return table


def metrics(path: Path, kinds: Sequence[str] = KINDS) -> pd.DataFrame:
    """Read the records of ``metrics.csv``, whose columns are keys.

    An empty cell means that nothing was logged, and ``nan`` that the value was undefined.
    """
    wide = read_table(path, ["step"])
    parts = {key: found for key in wide.columns if (found := split_key(key))}
    keys = [key for key, (stat, _) in parts.items() if split_stat(stat)[0] in kinds]
    table = wide.melt("step", keys, "key")
    table = table[table["value"] != ""].reset_index(drop=True)
    table["stat"] = [parts[key][0] for key in table["key"]]
    table["class"] = [parts[key][1] for key in table["key"]]
    text = {"stat": str, "class": str}  # also where there is none
    return numbers(table[RECORD].astype(text), path)


def logged_length(path: Path) -> tuple[int, int | None]:
    """Count the steps and epochs of a ``metrics.csv``; None if it has no epochs."""
    cells = read_table(path, ["step"]).reindex(columns=["step", "epoch"], fill_value="")
    cells = numbers(cells.replace("", "-1"), path, {"step": float, "epoch": float})
    last = numbers(cells, path, {"step": int, "epoch": int}).max()
    steps, epochs = (int(number) + 1 for number in last.fillna(-1))
    return steps, epochs or None


def class_parts(path: Path) -> Iterator[pd.DataFrame]:
    """Read the rows of ``classes.csv`` in parts, because a long run logs millions.

    ``stat`` and ``class`` are categorical. A last line that is being written is left out. The first
    part is empty.
    """
    yield pd.DataFrame(columns=RECORD).astype(_TYPES)
    if not path.is_file():
        return
    with path.open("rb") as file:
        header = file.readline()
        while lines := file.readlines(_BLOCK):
            whole = header + b"".join(line for line in lines if line.endswith(b"\n"))
            yield parse(whole, RECORD, path, _TYPES)[RECORD]


def costs(path: Path) -> pd.DataFrame:
    """Read the records of ``cost.csv``."""
    table = read_table(path, ["step", "cost", "value"])
    table = table.assign(**{"stat": stat_of("cost", table["cost"]), "class": ""})
    return numbers(table[RECORD], path)


def read_recalls(folder: Path) -> pd.DataFrame:
    """A row per validation, by step, and a column per class; empty if the run logs each class."""
    path = folder / VAL_RECALL
    table = read_table(path, ["step"]).replace("", "nan")
    values = numbers(table, path, {"step": int, **dict.fromkeys(table.columns[1:], float)})
    return values.drop_duplicates("step", keep="last").set_index("step")


def most_changed(recalls: pd.DataFrame, number: int) -> list[str]:
    """The classes whose recall changed most from the first to the last quarter of validations.

    Of classes that changed equally they are the first ones. A class that never changed is none.
    """
    quarter = max(1, len(recalls) // 4)
    change = (recalls.iloc[-quarter:].mean() - recalls.iloc[:quarter].mean()).abs()
    return list(change[change > 0].sort_values(ascending=False, kind="stable").index[:number])


def numbers(
    table: pd.DataFrame,
    path: Path,
    types: Mapping[str, type] = _NUMBERS,
    way_out: str = "take the row out, or move the file away",
) -> pd.DataFrame:
    """Convert the columns of a table of ``path`` that are in ``types`` to numbers."""
    try:
        return table.astype({name: kind for name, kind in types.items() if name in table})
    except (TypeError, ValueError) as error:
        raise RunError(f"{path}: holds what is no number ({error}); {way_out}") from None


def _number(given: object) -> float | None:
    """Convert a value of W&B, which writes NaN and infinity as text; None if it is no number."""
    if isinstance(given, str) and given in ("NaN", "Infinity", "-Infinity"):
        return float(given)
    return float(given) if isinstance(given, int | float) else None


def tidy(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort records; of what was logged again after a resume, the last value is kept."""
    rows = rows.astype(_NUMBERS)
    rows = rows.drop_duplicates(RECORD[:3], keep="last")
    return rows.sort_values(["stat", "class", "step"], ignore_index=True)
