"""Reads the scores of one validation of a run from its log."""

from collections.abc import Sequence
from pathlib import Path

from lit_seg.metrics.scores import CLASS_STATS, Array
from lit_seg.runs.csv_rows import metrics, tidy
from lit_seg.runs.layout import METRICS
from lit_seg.runs.records import stat_of
from lit_seg.runs.summary import RunScores, run_scores


def scores_after(
    folder: Path, steps: int, names: Sequence[str], train_pixels: Sequence[int]
) -> RunScores | None:
    """Read the scores of the weights after a number of steps; None if they were not validated.

    Args:
        folder: of the run.
        steps: of the optimizer, which a checkpoint has as ``global_step``.
        names: of the classes, in the order of their ids.
        train_pixels: of each class.

    Raises:
        RunError: if ``metrics.csv`` is damaged.
    """
    table = tidy(metrics(folder / METRICS, ["val"]))
    table = table[table["step"] == steps - 1]  # steps are logged from 0
    found = table.set_index(["stat", "class"])["value"]
    if ("val/pixel_acc", "") not in found.index:
        return None

    def column(stat: str) -> Array:
        keys = [(stat_of("val", stat), name) for name in names]
        values: Array = found.reindex(keys).to_numpy(float)
        return values

    per_class = [column(stat) for stat in CLASS_STATS]
    return run_scores(names, train_pixels, per_class, float(found["val/pixel_acc", ""]))
