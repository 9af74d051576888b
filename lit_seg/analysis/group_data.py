"""The numbers of arms, from the files of runs: what was logged, counts per image, and scores."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from lit_seg.analysis.run_groups import Arm
from lit_seg.analysis.trajectories import drawn_rows, stacked
from lit_seg.errors import RunError
from lit_seg.metrics.scores import CLASS_STATS, STATS, Array, class_scores, overall_scores
from lit_seg.runs.layout import DATASET, METRICS, VAL_IMAGES
from lit_seg.runs.reader import COUNTS, load_dataset, load_images

Counts = npt.NDArray[np.int64]


def read_log(arms: Sequence[Arm]) -> pd.DataFrame:
    """What the figures and tables of a comparison need of what the runs logged.

    Returns:
        arm, seed, step, stat, class, value: scores of validations, costs, and the statistics of
        ``TRAJECTORIES`` at no more than ``MOST`` steps of a run.
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
    columns = ["arm", "seed", "image", "class", *COUNTS]
    frames, without = [], []
    for arm in arms:
        for run in arm.runs:
            if (run.path / VAL_IMAGES).is_file():
                frames.append(load_images([run.path]).assign(arm=arm.label, seed=run.seed))
            else:
                without.append(run.name)
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
    return table[columns].astype({"image": str, "class": str}), without


def read_dataset(arms: Sequence[Arm]) -> tuple[list[str], list[int], list[str], list[str]]:
    """Class names in id order, their training pixels and colours, and what is unknown of them."""
    runs = [run for arm in arms for run in arm.runs]
    run = next((run for run in runs if (run.path / DATASET).is_file()), runs[0])
    scores = run.scores
    names, pixels = list(scores.classes), [int(n) for n in scores.column("train_pixels")]
    if (run.path / DATASET).is_file():  # the same in all runs, or they would not be compared
        return names, pixels, load_dataset(run.path)["colour"].tolist(), []
    note = f"no {DATASET}: classes are in the order of {METRICS} and not grouped by frequency"
    return names, pixels, [], [note] if set(pixels) == {1} else []


def cube_of(rows: pd.DataFrame, images: Sequence[str], classes: Sequence[str]) -> Counts:
    """``(I, C, 3)`` pixels labelled, predicted and both; zero where there is no row."""
    cube = np.zeros((len(images), len(classes), 3), np.int64)
    i = pd.Index(images).get_indexer(rows["image"])
    c = pd.Index(classes).get_indexer(rows["class"])
    if (c < 0).any():
        unknown = rows["class"].to_numpy()[c < 0][0]
        raise RunError(f"class {unknown!r} of {VAL_IMAGES} is none of its run; is the run whole?")
    cube[i, c] = rows[COUNTS].to_numpy(np.int64)
    return cube


def scores_of(
    arms: Sequence[Arm], counts: dict[tuple[str, int], Counts], tail: Sequence[int]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores per class, and those of ``STATS``, of every run: of its counts, else its summary."""
    per_class, overall = [], []
    for arm in arms:
        for run in arm.runs:
            names = list(run.scores.classes)
            cube = counts.get((arm.label, run.seed))
            three: Sequence[Array]
            if cube is not None:
                sums = cube.sum(axis=0)
                three, scores = class_scores(sums), overall_scores(sums, tail).tolist()
            else:
                three = [run.scores.column(stat) for stat in CLASS_STATS]
                scores = [run.scores.overall[stat] for stat in STATS]
            per_class += [
                (arm.label, run.seed, name, stat, value)
                for stat, values in zip(CLASS_STATS, three, strict=True)
                for name, value in zip(names, values, strict=True)
            ]
            overall += [
                (arm.label, run.seed, stat, value)
                for stat, value in zip(STATS, scores, strict=True)
            ]
    return (
        pd.DataFrame(per_class, columns=["arm", "seed", "class", "stat", "value"]),
        pd.DataFrame(overall, columns=["arm", "seed", "stat", "value"]),
    )
