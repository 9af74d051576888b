"""What a run left in its folder, as far as the diagnosis needs it."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from lit_seg.analysis.group_data import cube_of
from lit_seg.diagnosis.origin import Origin, origin_of
from lit_seg.errors import RunError
from lit_seg.metrics.scores import LABELLED
from lit_seg.runs.layout import DATASET, METRICS, VAL_IMAGES, find_run
from lit_seg.runs.reader import load_dataset, load_images, load_runs
from lit_seg.runs.run import contradiction
from lit_seg.runs.summary import read_summary


@dataclass(frozen=True)
class RunRecord:
    """The files of a run."""

    folder: Path
    origin: Origin
    classes: tuple[str, ...]  # in the order of their ids; without dataset.csv in that of the log
    pixels: list[int] | None  # labelled in training, or else in validation; None if not known
    images: tuple[str, ...]  # of the last validation; empty for a run without counts per image
    counts: npt.NDArray[np.int64]  # (I, C, 3) pixels labelled, predicted and both
    log: pd.DataFrame  # rows (step, stat, class, value) of everything that was logged
    notes: tuple[str, ...]  # which files are missing, and what is therefore not known

    @property
    def curve(self) -> pd.Series:
        """Mean IoU of each validation, by step."""
        rows = self.log[(self.log["stat"] == "val/miou") & self.log["value"].notna()]
        return rows.set_index("step")["value"]


def read_run(path: str | Path) -> RunRecord:
    """Read a run.

    Args:
        path: the folder of the run, or a file in it.

    Raises:
        RunError: if it is no run, was never validated, or one of its files is damaged.
    """
    path = Path(path)
    folder = path if (path / METRICS).is_file() else find_run(path)
    has_images = (folder / VAL_IMAGES).is_file()
    log = load_runs(folder) if (folder / METRICS).is_file() else None
    if log is None or not (has_images or (log["stat"] == "val/miou").any()):
        raise RunError(
            f"{folder}: the run was never validated, neither {VAL_IMAGES} nor {METRICS} holds a "
            f"score; train it to its first validation by make train RESUME={folder}"
        )
    rows = load_images(folder) if has_images else pd.DataFrame(columns=["image", "class"])
    images = rows["image"].unique()
    notes: list[str] = []
    pixels = None
    if (folder / DATASET).is_file():
        dataset = load_dataset(folder)
        classes, pixels = dataset["class"].tolist(), dataset["train_pixels"].tolist()
    else:
        logged = log.loc[log["stat"] == "val/iou", "class"]
        classes = list(dict.fromkeys(logged if len(logged) else rows["class"]))
    counts = np.zeros((0, len(classes), 3), np.int64)
    if has_images:
        counts = cube_of(rows, images, classes)
    else:
        notes.append(
            f"no {VAL_IMAGES} (a run of an older version): mask sizes and the number of labelled "
            "pixels are not known; the next validation in training writes the file"
        )
    if pixels is None and has_images:
        pixels = counts[..., LABELLED].sum(axis=0).tolist()
        notes.append(f"no {DATASET}: classes are ordered by their pixels in validation")
    elif pixels is None:
        notes.append(f"no {DATASET}: which classes are rare is not known")
    run = RunRecord(
        folder, origin_of(folder), tuple(classes), pixels, tuple(images), counts, log, tuple(notes)
    )
    problem = ""
    if run.images and not run.curve.empty:
        problem = contradiction(counts.sum(axis=0), run.curve.iloc[-1])
    if problem and read_summary(folder) is not None:
        raise RunError(
            f"{folder}/{problem}; validate it again by make train RESUME={folder} with a later end"
        )
    # A run that still trains writes one file before the other.
    return replace(run, notes=(*notes, f"{problem}, or not written yet")) if problem else run
