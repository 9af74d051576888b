"""The numbers of arms: what was logged, counts per image, and scores, from the files of runs."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from lit_seg.analysis.run_groups import Arm
from lit_seg.analysis.trajectories import drawn_rows, stacked
from lit_seg.errors import RunError
from lit_seg.metrics.scores import STATS, class_scores, from_classes, overall_scores
from lit_seg.runs.layout import DATASET, METRICS
from lit_seg.runs.reader import load_dataset, load_images

IMAGES = "val_images.csv"
CLASS_STATS = ("iou", "recall", "precision")

Counts = npt.NDArray[np.int64]


def read_log(arms: Sequence[Arm]) -> pd.DataFrame:
    """What the figures and tables of a comparison need of what the runs logged.

    Returns:
        arm, seed, step, stat, class, value: scores of validations, costs, and the statistics of
        ``drawn.TRAJECTORIES`` at no more than ``drawn.MOST`` steps of a run.
    """
    return stacked(
        [
            drawn_rows(run.path).assign(arm=arm.label, seed=run.seed)
            for arm in arms
            for run in arm.runs
        ]
    )


def read_images(arms: Sequence[Arm]) -> tuple[pd.DataFrame, list[str]]:
    """Counts per image of the runs that have them, and the names of those that do not."""
    columns = ["arm", "seed", "image", "class", "labelled", "predicted", "hits"]
    frames = [pd.DataFrame(columns=columns)]
    without = []
    for arm in arms:
        for run in arm.runs:
            if (run.path / IMAGES).is_file():
                rows = load_images([run.path]).assign(arm=arm.label, seed=run.seed)
                frames.append(rows[columns])
            else:
                without.append(run.name)
    table = pd.concat(frames[1:], ignore_index=True) if frames[1:] else frames[0]
    return table.astype({"image": str, "class": str}), without


def read_dataset(
    arms: Sequence[Arm], log: pd.DataFrame
) -> tuple[list[str], list[int], list[str], list[str]]:
    """Class names in id order, their training pixels and colours, and what is unknown of them."""
    runs = [run for arm in arms for run in arm.runs]
    there = [run.path for run in runs if (run.path / DATASET).is_file()]
    if there:  # the same in all, or they would not be compared
        first = load_dataset(there[0])
        names = [str(name) for name in first["class"]]
        return names, [int(n) for n in first["train_pixels"]], list(first["colour"]), []
    names = list(dict.fromkeys(log.loc[log["stat"] == "val/iou", "class"]))
    if not names:
        raise RunError(f"no {DATASET} and no score of a class in {runs[0].name}; was it validated?")
    note = f"no {DATASET}: classes are in the order of {METRICS} and not grouped by frequency"
    return names, [1] * len(names), [], [note]


def cube_of(rows: pd.DataFrame, images: Sequence[str], classes: Sequence[str]) -> Counts:
    """``(I, C, 3)`` pixels labelled, predicted and both; zero where there is no row."""
    cube = np.zeros((len(images), len(classes), 3), np.int64)
    i = pd.Index(images).get_indexer(rows["image"])
    c = pd.Index(classes).get_indexer(rows["class"])
    if (c < 0).any():
        unknown = rows["class"].to_numpy()[c < 0][0]
        raise RunError(f"class {unknown!r} of {IMAGES} is not in {DATASET}; is the run whole?")
    cube[i, c] = rows[["labelled", "predicted", "hits"]].to_numpy(np.int64)
    return cube


def scores_of(
    arms: Sequence[Arm],
    counts: dict[tuple[str, int], Counts],
    log: pd.DataFrame,
    classes: Sequence[str],
    tail: Sequence[int],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores per class, and those of ``STATS``, of every run."""
    per_class, overall = [], []
    for arm in arms:
        for run in arm.runs:
            cube = counts.get((arm.label, run.seed))
            three: tuple[npt.NDArray[np.float64], ...]
            if cube is not None:
                sums = cube.sum(axis=0)
                three = class_scores(sums)
                scores = overall_scores(sums, tail)
            else:
                rows = log[(log["arm"] == arm.label) & (log["seed"] == run.seed)]
                three, pixel_acc = _logged(rows, classes)
                iou, recall, precision = three
                scores = from_classes(iou, recall, precision, np.array(pixel_acc), tail)
            for stat, values in zip(CLASS_STATS, three, strict=True):
                per_class += [
                    (arm.label, run.seed, name, stat, value)
                    for name, value in zip(classes, values, strict=True)
                ]
            overall += [
                (arm.label, run.seed, stat, value)
                for stat, value in zip(STATS, scores, strict=True)
            ]
    return (
        pd.DataFrame(per_class, columns=["arm", "seed", "class", "stat", "value"]),
        pd.DataFrame(overall, columns=["arm", "seed", "stat", "value"]),
    )


def _logged(
    rows: pd.DataFrame, classes: Sequence[str]
) -> tuple[tuple[npt.NDArray[np.float64], ...], float]:
    """The last validation of a run as ``metrics.csv`` has it."""
    last = rows[rows["step"] == rows.loc[rows["stat"].str.startswith("val/"), "step"].max()]
    found = last.astype({"stat": str, "class": str}).set_index(["stat", "class"])["value"]
    three = tuple(
        np.array([found.get((f"val/{stat}", name), np.nan) for name in classes], np.float64)
        for stat in CLASS_STATS
    )
    return three, float(found.get(("val/pixel_acc", ""), np.nan))
