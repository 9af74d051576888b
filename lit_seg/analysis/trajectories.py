"""Reads the part of a run's log that a comparison draws, thinned to as many steps as it draws."""

from collections.abc import Mapping
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
MOST = 180  # steps that are kept of a run, three for each step that is drawn
_NAMES = ("stat", "class")


def drawn_rows(folder: Path, places: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Read the validations, the costs and the class statistics of ``TRAJECTORIES`` of a run.

    The rows are those of ``load_runs``, but ``stat`` and ``class`` are categorical, and classes
    have the names in ``places``, if they have any there.
    """
    few = tidy(pd.concat([metrics(folder / METRICS, ["val"]), costs(folder / COST)]))
    rows = stacked([few.astype(dict.fromkeys(_NAMES, "category")), _classes(folder / CLASSES)])
    rows["class"] = rows["class"].cat.rename_categories(dict(places or {}))
    return rows


def stacked(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Put tables below each other and join their categories, which pandas alone would make text."""
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
    """Average groups of neighbouring steps, so that at most ``MOST`` steps are left."""
    steps = np.unique(table["step"])
    size = -(-len(steps) // MOST)
    if size < 2:
        return table
    group = np.searchsorted(steps, table["step"]) // size
    middle = np.minimum(group * size + (size - 1) // 2, len(steps) - 1)
    table = table.assign(step=steps[middle])
    return table.groupby(RECORD[:3], as_index=False, observed=True)["value"].mean()
