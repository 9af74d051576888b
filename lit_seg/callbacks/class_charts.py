"""Makes charts for W&B: one per statistic, with a line per class."""

import math
from pathlib import Path
from typing import Any

import pandas as pd

from lit_seg.runs.csv_rows import class_parts, metrics, most_changed, read_recalls
from lit_seg.runs.layout import CLASSES, METRICS
from lit_seg.runs.records import stat_of

_DRAWN = 10_000  # the most rows of a table that W&B draws
_MOST = 100  # steps in a chart
_MOVED = 10  # classes that are drawn because their recall changed most


def class_charts(folder: Path, every: int, steps: int) -> dict[str, Any]:
    """Make the charts ``curves/<stat>`` from the files of a run, so that no step is missing.

    Args:
        folder: of the run.
        every: steps between two records of ``classes.csv``.
        steps: that were trained.
    """
    import wandb  # which a run without it need not have

    scores = metrics(folder / METRICS, ["val"])
    scores = scores[scores["class"] != ""]
    recalls = read_recalls(folder)
    moved = [name for name in most_changed(recalls, _MOVED) if name not in set(scores["class"])]
    if moved:  # of thousands of classes a few are metrics; others may have changed more
        lines = recalls[moved].reset_index().melt("step", var_name="class")
        scores = pd.concat([scores, lines.assign(stat=stat_of("val", "recall"))])
    names = scores["class"].nunique()
    most = min(_MOST, _DRAWN // max(1, names))
    stride = every * math.ceil(steps / every / most)
    parts = [part[part["step"] % stride == 0] for part in class_parts(folder / CLASSES)]
    shares = pd.concat([part.astype({"stat": str, "class": str}) for part in parts])
    shares["stat"] = stat_of("class", shares["stat"])
    charts = {}
    for stat, rows in pd.concat([scores, shares]).dropna().groupby("stat"):
        lines = dict(list(rows.groupby("class", sort=False)))
        charts[f"curves/{stat}"] = wandb.plot.line_series(
            [line["step"].tolist() for line in lines.values()],
            [line["value"].tolist() for line in lines.values()],
            list(lines),
            f"{stat}, by class",
            "step",
            split_table=True,
        )
    return charts
