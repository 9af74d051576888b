"""Makes the folder of an evaluation readable like that of the run whose checkpoint was scored."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from lit_seg.files.atomic_io import replace_text
from lit_seg.runs.csv_rows import logged_length
from lit_seg.runs.layout import COMMAND, CONFIG, COST, DATASET, METRICS
from lit_seg.runs.summary import RunScores, write_summary


def write_as_run(folder: Path, run: Path, values: Mapping[str, float], scores: RunScores) -> None:
    """Write what ``report`` and ``diagnose`` read: how the run was trained, and the new scores.

    Nothing is written if ``run`` has no configuration: then a checkpoint without its run is scored.

    Args:
        folder: of the evaluation.
        run: of the training.
        values: what was computed, by keys such as ``val/miou``.
        scores: the same for the summary.
    """
    if not (run / CONFIG).is_file():
        return
    for name in (CONFIG, COMMAND, DATASET, COST):
        if (run / name).is_file():
            replace_text(folder / name, (run / name).read_text(encoding="utf-8"))
    steps, epochs = logged_length(run / METRICS)
    row = {"step": max(0, steps - 1), "epoch": max(0, (epochs or 1) - 1), **values}
    text = pd.DataFrame([row]).to_csv(index=False, lineterminator="\n", na_rep="nan")
    replace_text(folder / METRICS, text)
    write_summary(folder, steps, scores)
