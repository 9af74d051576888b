"""Reads the recall of each of thousands of classes at each validation, and finds what changed."""

from pathlib import Path

import pandas as pd

from lit_seg.runs.csv_rows import numbers, read_table
from lit_seg.runs.layout import VAL_RECALL


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
