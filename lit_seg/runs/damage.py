"""Whether the files of a run are whole: read, and compared with each other."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lit_seg.errors import RunError
from lit_seg.runs.csv_rows import costs, metrics
from lit_seg.runs.layout import CONFIG, COST, DATASET, METRICS, VAL_IMAGES
from lit_seg.runs.length import alike
from lit_seg.runs.reader import load_dataset, load_images

_ROUNDING = 1e-4  # of a mean IoU: metrics are summed in single precision


@dataclass(frozen=True)
class Length:
    """How far ``metrics.csv`` goes."""

    steps: int = 0
    epochs: int | None = None
    """None where it has no such column."""

    def short_of(self, config: Mapping[str, str]) -> str:
        """``6 of the 12 epochs of its config.yaml``; empty if it is as long as configured."""
        steps, epochs = (_positive(config.get(f"trainer.max_{of}")) for of in ("steps", "epochs"))
        if self.epochs is not None and epochs and self.epochs < epochs:
            if not steps or not (alike(self.steps, steps) or self.steps > steps):
                return f"{self.epochs} of the {epochs} epochs of its {CONFIG}"
        elif steps and not epochs and self.steps < steps and not alike(self.steps, steps):
            return f"{self.steps} of the {steps} steps of its {CONFIG}"
        return ""


def length_of(path: Path) -> Length:
    """How far a ``metrics.csv`` goes, by its last whole row.

    Raises:
        RunError: if a row has no step.
    """
    content = path.read_text(encoding="utf-8", errors="replace")
    rows = list(csv.DictReader(content[: content.rfind("\n") + 1].splitlines()))
    if "step" not in content.partition("\n")[0].split(","):
        raise RunError(f"{path}: has no column step; it is no file of a run")
    try:
        steps = [int(float(row["step"])) for row in rows if row["step"]]
        epochs = [int(float(row["epoch"])) for row in rows if row.get("epoch")]
    except (OverflowError, ValueError) as error:
        raise RunError(f"{path}: holds what is no number ({error})") from None
    return Length(max(steps, default=-1) + 1, max(epochs) + 1 if epochs else None)


def damage_of(folder: Path) -> str:
    """Which file of a finished run cannot be read or believed, and why; empty if all can."""
    try:
        log = metrics(folder / METRICS, ["val"])
        costs(folder / COST)
        if (folder / DATASET).is_file():
            load_dataset(folder)
        if (folder / VAL_IMAGES).is_file():
            _check_images(folder, log)
    except RunError as error:
        return str(error).replace(f"{folder}/", "")
    return ""


def _check_images(folder: Path, log: pd.DataFrame) -> None:
    """Raise ``RunError`` unless the counts give the mean IoU that was logged."""
    path = folder / VAL_IMAGES
    sums = load_images([folder]).groupby("class")[["labelled", "predicted", "hits"]].sum()
    counted = (sums["hits"] / (sums["labelled"] + sums["predicted"] - sums["hits"])).mean()
    logged = log[log["stat"] == "val/miou"].sort_values("step")["value"].to_numpy()
    if not len(logged) or logged[-1] != logged[-1]:
        return
    if not abs(counted - logged[-1]) < _ROUNDING:
        raise RunError(
            f"{path}: its mean IoU is {100 * counted:.1f} %, that of the last validation in "
            f"{METRICS} {100 * logged[-1]:.1f} %: one of the two files is cut or of another run"
        )


def _positive(value: str | None) -> int:
    return int(value) if value is not None and value.isdigit() else 0
