"""What a run left in its folder, as far as the diagnosis needs it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from lit_seg.analysis.group_data import cube_of
from lit_seg.diagnosis.origin import Origin, origin_of
from lit_seg.errors import RunError
from lit_seg.metrics.scores import LABELLED
from lit_seg.runs.damage import damage_of
from lit_seg.runs.layout import DATASET, METRICS, VAL_IMAGES, find_run
from lit_seg.runs.reader import load_dataset, load_images, load_runs


@dataclass(frozen=True)
class RunRecord:
    """The files of a run.

    Attributes:
        folder: the folder of the run.
        origin: how it was trained.
        classes: names in the order of their ids; without ``dataset.csv`` in that of the log.
        pixels: ``(C,)`` labelled pixels in training, or in validation without ``dataset.csv``;
            None if neither is known.
        images: names of the validation images; empty for a run without counts per image.
        counts: ``(I, C, 3)`` pixels labelled, predicted and both.
        log: rows (step, stat, class, value) of everything that was logged.
        notes: which files are missing, and what is therefore not known.
    """

    folder: Path
    origin: Origin
    classes: tuple[str, ...]
    pixels: tuple[int, ...] | None
    images: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    log: pd.DataFrame
    notes: tuple[str, ...]

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
    notes: list[str] = []
    rows = load_images(folder) if has_images else pd.DataFrame(columns=["image", "class"])
    images = rows["image"].unique()
    if (folder / DATASET).is_file():
        dataset = load_dataset(folder)
        classes, pixels = dataset["class"], dataset["train_pixels"]
    else:
        logged = log.loc[log["stat"] == "val/iou", "class"]
        classes, pixels = (logged if len(logged) else rows["class"]).drop_duplicates(), None
    names = tuple(classes)
    counts = np.zeros((0, len(names), 3), np.int64)
    if has_images:
        counts = cube_of(rows, images, names)
        _check_agreement(folder, notes)
    else:
        notes.append(
            f"no {VAL_IMAGES} (a run of an older version): mask sizes and the number of labelled "
            "pixels are not known; the next validation in training writes the file"
        )
    if pixels is None and has_images:
        pixels = counts[..., LABELLED].sum(axis=0)
        notes.append(f"no {DATASET}: classes are ordered by their pixels in validation")
    elif pixels is None:
        notes.append(f"no {DATASET}: which classes are rare is not known")
    return RunRecord(
        folder=folder,
        origin=origin_of(folder),
        classes=names,
        pixels=None if pixels is None else tuple(int(number) for number in pixels),
        images=tuple(images),
        counts=counts,
        log=log,
        notes=tuple(notes),
    )


def _check_agreement(folder: Path, notes: list[str]) -> None:
    """Compare the counts with the logged score.

    A run that still trains writes one file before the other, so a difference is only a note there.

    Raises:
        RunError: if they differ in a finished run.
    """
    problem = damage_of(folder)
    if problem and (folder / "val_table.md").is_file():
        raise RunError(
            f"{folder}/{problem}; validate it again by make train RESUME={folder} with a later end"
        )
    if problem:
        notes.append(f"{problem}, or one of them is not written yet")
