"""Reading what the diagnosis needs of a run's folder, also of one that lacks some of the files."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lit_seg.diagnosis.origin import Origin, origin_of
from lit_seg.errors import RunError
from lit_seg.runs.layout import CLASSES, DATASET, METRICS, VAL_IMAGES, find_run

Counts = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]
LABELLED, PREDICTED, HITS = range(3)
_SCORES = ("iou", "recall", "precision")
_TABLE = "val_table.md"  # exists in a run that finished
_ROUNDING = 1e-4  # of a mean IoU: metrics are summed in single precision


@dataclass(frozen=True)
class RunFiles:
    """What the files of a run say.

    Attributes:
        folder: of the run.
        origin: what it was trained with.
        classes: names, in the order of the ids where ``dataset.csv`` tells it.
        frequency: ``(C,)`` training pixels or what stands in for them; None if nothing does.
        images: names of the validation images, empty for a run of an older version.
        counts: ``(I, C, 3)`` pixels labelled, predicted and both in each of them.
        logged: IoU, recall and precision ``(C,)`` and the means, of the last validation.
        curve: (step, mean IoU) of each validation.
        training: means over the last quarter of ``classes.csv``, by statistic and class.
        notes: what is missing, and what that costs.
    """

    folder: Path
    origin: Origin
    classes: tuple[str, ...]
    frequency: tuple[float, ...] | None
    images: tuple[str, ...]
    counts: Counts
    logged: dict[str, Array]
    curve: tuple[tuple[int, float], ...]
    training: dict[str, dict[str, float]]
    notes: tuple[str, ...]


def read_run(path: str | Path) -> RunFiles:
    """Read a run.

    Args:
        path: its folder, or a file in it.

    Raises:
        RunError: if it is no run, was never validated, or a file of it is damaged.
    """
    path = Path(path)
    folder = path if (path / METRICS).is_file() or (path / VAL_IMAGES).is_file() else find_run(path)
    notes: list[str] = []
    rows = list(_rows(folder / METRICS))
    scored = [row for row in rows if not math.isnan(_number(row.get("val/miou")))]
    pixels = list(_rows(folder / DATASET, "class", "train_pixels"))
    masks = list(_rows(folder / VAL_IMAGES, "image", "class", "labelled", "predicted", "hits"))
    if not scored and not masks:
        raise RunError(
            f"{folder}: was never validated, neither {VAL_IMAGES} nor {METRICS} holds a score; "
            f"train it to its first validation: make train RESUME={folder}"
        )
    classes = tuple(_names(pixels, scored, masks))
    if not masks:
        notes.append(
            f"no {VAL_IMAGES} (a run of an older version): nothing is said of mask sizes, nor "
            "whether enough is labelled; the next validation in training writes it"
        )
    images, counts = _counts(folder / VAL_IMAGES, masks, classes)
    if masks and scored:
        _check_agreement(folder, counts, _number(scored[-1]["val/miou"]), notes)
    return RunFiles(
        folder=folder,
        origin=origin_of(folder),
        classes=classes,
        frequency=_frequency(folder, classes, pixels, counts, notes),
        images=images,
        counts=counts,
        logged=_logged(scored[-1], classes) if scored else {},
        curve=tuple((int(_number(row["step"])), _number(row["val/miou"])) for row in scored),
        training=_training(folder / CLASSES),
        notes=tuple(notes),
    )


def _rows(path: Path, *columns: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV file; none if it is not there."""
    if not path.is_file():
        return
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            missing = [name for name in columns if name not in (table.fieldnames or ())]
            if missing:
                raise RunError(f"{path}: has no column {', '.join(missing)}; is it of a run?")
            yield from table
    except (csv.Error, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read as CSV ({error}); it is damaged") from None


def _number(text: str | None) -> float:
    """NaN for an empty cell, or one cut short."""
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def _names(
    pixels: list[dict[str, str]], scored: list[dict[str, str]], masks: list[dict[str, str]]
) -> list[str]:
    if pixels:
        return [row["class"] for row in pixels]
    logged = [key.split("/", 2)[2] for key in (scored or [{}])[0] if key.startswith("val/iou/")]
    return logged or list(dict.fromkeys(row["class"] for row in masks))


def _counts(
    path: Path, masks: list[dict[str, str]], classes: tuple[str, ...]
) -> tuple[tuple[str, ...], Counts]:
    images = tuple(dict.fromkeys(row["image"] for row in masks))
    row_of = {name: i for i, name in enumerate(images)}
    column_of = {name: c for c, name in enumerate(classes)}
    counts = np.zeros((len(images), len(classes), 3), np.int64)
    for row in masks:
        if row["class"] not in column_of:
            raise RunError(
                f"{path}: class {row['class']!r} is not one of {DATASET} or {METRICS} beside it; "
                "the files are of different runs"
            )
        try:
            values = [int(row[key]) for key in ("labelled", "predicted", "hits")]
            if not 0 <= values[HITS] <= min(values[LABELLED], values[PREDICTED]):
                raise ValueError
        except (TypeError, ValueError):
            raise RunError(
                f"{path}: the row of {row['class']} in {row['image']} is damaged; "
                "the next validation in training writes the file anew"
            ) from None
        counts[row_of[row["image"]], column_of[row["class"]]] = values
    return images, counts


def _check_agreement(folder: Path, counts: Counts, logged: float, notes: list[str]) -> None:
    """Compare the mean IoU of the counts with that of the last validation in ``metrics.csv``.

    A run that is going on writes one file before the other: of that it is a note.

    Raises:
        RunError: if they differ in a run that finished.
    """
    labelled, predicted, hits = counts.sum(0).T.astype(np.float64)
    either = labelled + predicted - hits
    counted = float(np.mean(hits[either > 0] / either[either > 0])) if either.any() else math.nan
    if abs(counted - logged) < _ROUNDING:
        return
    problem = (
        f"the mean IoU of {VAL_IMAGES} is {100 * counted:.1f} %, that of the last validation in "
        f"{METRICS} {100 * logged:.1f} %"
    )
    if (folder / _TABLE).is_file():
        raise RunError(
            f"{folder / VAL_IMAGES}: is cut or of another run, or {METRICS} is: {problem}; "
            f"validate anew, by make train RESUME={folder} with a later end"
        )
    notes.append(f"{problem}: one of them is behind, or cut")


def _frequency(
    folder: Path,
    classes: tuple[str, ...],
    pixels: list[dict[str, str]],
    counts: Counts,
    notes: list[str],
) -> tuple[float, ...] | None:
    if pixels:
        numbers = tuple(_number(row["train_pixels"]) for row in pixels)
        if any(math.isnan(number) for number in numbers):
            raise RunError(f"{folder / DATASET}: a number of training pixels is missing or damaged")
        return numbers
    table = folder / _TABLE
    if table.is_file():  # its second column is the share of the training pixels
        lines = [line.strip("| \n").split(" | ") for line in table.read_text().splitlines()]
        shares = {cells[0]: _number(cells[1]) for cells in lines if len(cells) > 2}
        if set(classes) <= shares.keys():
            notes.append(f"no {DATASET}: class frequencies are those of val_table.md")
            return tuple(shares[name] for name in classes)
    if len(counts):
        notes.append(f"no {DATASET}: classes are ordered by their pixels in validation")
        return tuple(float(n) for n in counts[:, :, LABELLED].sum(0))
    notes.append(f"no {DATASET}: which classes are rare is not known")
    return None


def _logged(row: dict[str, str], classes: tuple[str, ...]) -> dict[str, Array]:
    scores = {
        stat: np.array([_number(row.get(f"val/{stat}/{name}")) for name in classes])
        for stat in _SCORES
    }
    means = ("miou", "macc", "mprec", "pixel_acc")
    return scores | {key: np.array(_number(row.get(f"val/{key}"))) for key in means}


def _training(path: Path) -> dict[str, dict[str, float]]:
    """Means over the last quarter of the logged steps."""
    stats = ("recall", "gradient_share")
    rows = [
        (_number(row["step"]), row["stat"], row["class"], _number(row["value"]))
        for row in _rows(path, "step", "stat", "class", "value")
        if row["stat"] in stats
    ]
    if not rows:
        return {}
    steps = sorted({step for step, *_ in rows if step == step})
    first = steps[-max(1, len(steps) // 4)]
    values: dict[str, dict[str, list[float]]] = {}
    for step, stat, name, value in rows:
        if step >= first and value == value:
            values.setdefault(stat, {}).setdefault(name, []).append(value)
    return {
        stat: {name: float(np.mean(of)) for name, of in by_class.items()}
        for stat, by_class in values.items()
    }
