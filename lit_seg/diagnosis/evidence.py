"""Computes the numbers on which the verdict rests."""

from dataclasses import dataclass
from math import nan

import numpy as np
import pandas as pd

from lit_seg.diagnosis.rules import below, limit, reaches
from lit_seg.diagnosis.run_record import RunRecord
from lit_seg.diagnosis.sizes import Sizes, by_size
from lit_seg.metrics.scores import (
    CLASS_STATS,
    LABELLED,
    Array,
    class_mean,
    class_scores,
    pixel_accuracy,
)
from lit_seg.runs.records import stat_of


@dataclass(frozen=True)
class Scores:
    """Scores of a class, or their mean over the classes of a group that have one; NaN without."""

    recall: float = nan
    precision: float = nan
    iou: float = nan


@dataclass(frozen=True)
class Evidence:
    """What the last validation measured."""

    overall: float  # share of all pixels that are predicted correctly, or ``words.overall``
    mean: float  # mean recall of the labelled classes
    mean_iou: float  # over the classes that are labelled or predicted
    mean_precision: float  # over the classes that are predicted often enough
    per_class: dict[str, Scores]  # the most frequent class first where frequencies are known
    groups: dict[str, Scores]  # means of the ``class_groups``; empty if frequencies are not known
    group_of: dict[str, str]  # by class
    labelled: dict[str, tuple[int, int]]  # images that show a class, its pixels; empty if not known
    tail_measured: tuple[int, int] | None  # tail classes with enough labelled, and all of them
    sizes: Sizes | None  # None if the run has no counts per image
    rise: float  # gain of the mean IoU at the end; NaN with too few validations
    validations: int
    epochs: float  # begun; each of a part of the images counts as that part
    tail_in_training: float  # recall at the end of training; NaN if it was not logged
    tail_gradient: float  # share of the gradient at the end; NaN if it was not logged

    @property
    def head(self) -> Scores:
        """Mean scores of the head; NaN, which satisfies no rule, if frequencies are not known."""
        return next(iter(self.groups.values()), Scores())

    @property
    def tail(self) -> Scores:
        """Mean scores of the tail; NaN if frequencies are not known."""
        return next(reversed(self.groups.values()), Scores())

    @property
    def accuracy_gap(self) -> float:
        """Overall minus mean accuracy."""
        return self.overall - self.mean

    @property
    def tail_gap(self) -> float:
        """Recall of the head minus that of the tail."""
        return self.head.recall - self.tail.recall

    @property
    def never_found(self) -> list[str]:
        """Labelled classes of which (nearly) no pixel is found."""
        return [name for name, of in self.per_class.items() if below(of.recall, "MISSED")]

    @property
    def flooded(self) -> list[str]:
        """Classes that are found, but most pixels predicted as them are something else."""
        found = [name for name, of in self.per_class.items() if reaches(of.recall, "FOUND")]
        return [name for name in found if below(self.per_class[name].precision, "FLOODED")]


def weigh(run: RunRecord) -> Evidence:
    """Score a run from its counts per image, or from what it logged where it has none."""
    counted = bool(run.images)
    sums = run.counts.sums()
    images, pixels = (run.counts.labelled > 0).sum(axis=0), sums[:, LABELLED]
    if counted:
        (iou, recall, precision), overall = class_scores(sums), float(pixel_accuracy(sums))
    else:
        (iou, recall, precision), overall = _logged_scores(run)
    scores = np.stack([recall, precision, iou])
    mean, mean_precision, mean_iou = class_mean(scores).tolist()
    if run.origin.classifies and run.pixels:
        there = ~np.isnan(recall)
        overall = float(np.average(recall[there], weights=np.array(run.pixels)[there]))
    groups = run.groups
    order = [c for ids in groups.values() for c in ids] or list(range(len(run.classes)))
    rare = next(reversed(groups), "")
    tail = groups.get(rare, [])
    # an image of a classifier is one pixel
    fewest = limit("FEWEST_IMAGES" if run.origin.classifies else "FEWEST_PIXELS")
    enough = (images >= limit("FEWEST_IMAGES")) & (pixels >= fewest)
    training = _end_of_training(run)
    # with thousands of classes the log has a few of them, and the mean over each group
    logged = [f"({rare})"] if f"({rare})" in training else [run.classes[c] for c in tail]
    training = training.reindex(columns=logged)
    return Evidence(
        overall=overall,
        mean=mean,
        mean_iou=mean_iou,
        mean_precision=mean_precision,
        per_class={run.classes[c]: Scores(*scores[:, c].tolist()) for c in order},
        groups={name: Scores(*class_mean(scores[:, ids]).tolist()) for name, ids in groups.items()},
        group_of={run.classes[c]: name for name, ids in groups.items() for c in ids},
        labelled={run.classes[c]: (int(images[c]), int(pixels[c])) for c in order if counted},
        tail_measured=(int(enough[tail].sum()), len(tail)) if counted and tail else None,
        sizes=by_size(run.counts, groups)
        if counted and groups and not run.origin.classifies
        else None,
        rise=_rise(run.curve.to_numpy()),
        validations=len(run.curve),
        epochs=run.epochs,
        tail_in_training=float(training.loc["class/recall"].mean()),
        tail_gradient=nan
        if logged == [f"({rare})"]
        else float(training.loc["class/gradient_share"].sum(min_count=1)),
    )


def _logged_scores(run: RunRecord) -> tuple[list[Array], float]:
    """Read the ``(C,)`` scores and the pixel accuracy that were logged last.

    The scores are in the order of ``CLASS_STATS``.
    """
    rows = run.log[run.log["step"] == run.curve.index[-1]]
    last = rows.set_index(["stat", "class"])["value"]
    per_class = [
        np.array([last.get((stat_of("val", stat), name), nan) for name in run.classes], np.float64)
        for stat in CLASS_STATS
    ]
    return per_class, float(last.get(("val/pixel_acc", ""), nan))


def _end_of_training(run: RunRecord) -> pd.DataFrame:
    """Average two class statistics over the last quarter of their steps, a column per class."""
    stats = ["class/recall", "class/gradient_share"]
    rows = run.log[run.log["stat"].isin(stats)]
    steps = np.unique(rows["step"])
    last = rows[rows["step"].isin(steps[-max(1, len(steps) // 4) :])]
    return last.pivot_table(values="value", index="stat", columns="class").reindex(stats)


def _rise(curve: Array) -> float:
    """Subtract the mean of the second last quarter of a curve from that of the last one."""
    if len(curve) < limit("FEWEST_VALIDATIONS"):
        return nan
    quarter = len(curve) // 4
    return float(curve[-quarter:].mean() - curve[-2 * quarter : -quarter].mean())
