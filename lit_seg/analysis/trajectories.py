"""Of what a run logged only what a comparison draws, as few rows as it draws."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from lit_seg.runs.csv_rows import class_parts, costs, metrics, tidy
from lit_seg.runs.layout import CLASSES, COST, METRICS
from lit_seg.runs.records import RECORD, stat_of

TRAJECTORIES = {
    "miss_norm": "1 − recall",  # noqa: RUF001
    "focal_norm": "Focal weight",
    "recall_focal_ratio": "Their ratio",
    "gradient_share": "Gradient share",
    "recall": "Recall",
}
"""Statistics of ``classes.csv`` that are drawn, and their titles."""
MOST = 180  # steps kept of a run, three for each that is drawn: more are averaged in groups
_NAMES = ("stat", "class")


def drawn_rows(folder: Path) -> pd.DataFrame:
    """Validations, costs, and the class statistics of ``TRAJECTORIES``, of a run.

    They are rows of ``load_runs``, whose ``stat`` and ``class`` are categorical here.
    """
    few = tidy(pd.concat([metrics(folder / METRICS, ["val"]), costs(folder / COST)]))
    return stacked([few.astype(dict.fromkeys(_NAMES, "category")), _classes(folder / CLASSES)])


def stacked(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Tables below each other, their categories joined, which pandas alone would make text."""
    table = pd.concat([table.drop(columns=[*_NAMES]) for table in tables], ignore_index=True)
    for name in _NAMES:
        columns = [table[name].cat for table in tables]  # categories of no row are not yet text
        parts = [column.rename_categories(column.categories.astype(str)) for column in columns]
        table[name] = union_categoricals(parts)
    return table


def _classes(path: Path) -> pd.DataFrame:
    parts = [part[part["stat"].isin(TRAJECTORIES)] for part in class_parts(path)]
    table = stacked(parts).drop_duplicates(RECORD[:3], keep="last")  # logged again after a resume
    stats = table["stat"].cat.remove_unused_categories()
    table["stat"] = stats.cat.rename_categories(partial(stat_of, "class"))
    return _thinned(table)


def _thinned(table: pd.DataFrame) -> pd.DataFrame:
    """Means over groups of as many neighbouring steps as leave at most ``MOST`` of them."""
    steps = np.unique(table["step"])
    size = -(-len(steps) // MOST)
    if size < 2:
        return table
    group = np.searchsorted(steps, table["step"]) // size
    middle = np.minimum(group * size + (size - 1) // 2, len(steps) - 1)
    table = table.assign(step=steps[middle])
    return table.groupby(RECORD[:3], as_index=False, observed=True)["value"].mean()
