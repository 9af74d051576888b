"""The numbers on which the verdict rests."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from lit_seg.diagnosis.rules import below, limit, reaches
from lit_seg.diagnosis.run_record import RunRecord
from lit_seg.diagnosis.sizes import Sizes, by_size
from lit_seg.metrics.frequency_groups import frequency_groups
from lit_seg.metrics.scores import HITS, LABELLED, STATS, Array, class_scores, from_classes
from lit_seg.runs.summary import logged_scores

_NAN = float("nan")


@dataclass(frozen=True)
class Scores:
    """Scores of a class, or their mean over the classes of a group that have one; NaN without."""

    recall: float
    precision: float
    iou: float


@dataclass(frozen=True)
class Evidence:
    """What the last validation measured.

    Attributes:
        overall: overall (pixel) accuracy.
        mean: mean accuracy, the mean recall of labelled classes.
        mean_iou: mean over the classes that are labelled or predicted.
        mean_precision: mean over the classes that are predicted often enough.
        per_class: scores by class, the most frequent first where frequencies are known.
        groups: mean scores of head, medium and tail; empty if frequencies are not known.
        group_of: name of the group, by class.
        labelled: number of images that show a class and of its pixels; empty if not known.
        tail_measured: number of tail classes with enough labelled, and of all; None if not known.
        sizes: recall by size of mask; None if the run has no counts per image.
        rise: gain of the mean IoU at the end; NaN with too few validations.
        validations: number of validations.
        tail_in_training: recall of the tail at the end of training; NaN if it was not logged.
        tail_gradient: the tail's share of the gradient at the end; NaN if it was not logged.
    """

    overall: float
    mean: float
    mean_iou: float
    mean_precision: float
    per_class: dict[str, Scores]
    groups: dict[str, Scores]
    group_of: dict[str, str]
    labelled: dict[str, tuple[int, int]]
    tail_measured: tuple[int, int] | None
    sizes: Sizes | None
    rise: float
    validations: int
    tail_in_training: float
    tail_gradient: float

    @property
    def accuracy_gap(self) -> float:
        """Overall minus mean accuracy."""
        return self.overall - self.mean

    @property
    def tail_gap(self) -> float:
        """Recall of the head minus that of the tail; NaN if frequencies are not known."""
        return self.groups["head"].recall - self.groups["tail"].recall if self.groups else _NAN

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
    sums = run.counts.sum(axis=0)
    if counted:
        iou, recall, precision = class_scores(sums)
        overall = sums[:, HITS].sum() / sums[:, LABELLED].sum()
    else:
        (iou, recall, precision), overall = logged_scores(run.log, run.curve.index[-1], run.classes)
    groups = frequency_groups(run.pixels) if run.pixels else {}
    order = [c for ids in groups.values() for c in ids] or list(range(len(run.classes)))
    tail = groups.get("tail", [])
    images, pixels = (run.counts[..., LABELLED] > 0).sum(axis=0), sums[:, LABELLED]
    enough = (images >= limit("FEWEST_IMAGES")) & (pixels >= limit("FEWEST_PIXELS"))

    def means(ids: list[int]) -> dict[str, float]:
        """The scores of ``STATS``, those of the tail over the classes of ``ids``."""
        values = from_classes(iou, recall, precision, np.array(overall), ids)
        return dict(zip(STATS, values.tolist(), strict=True))

    by_group = {name: means(ids) for name, ids in groups.items()}
    mean = means(tail)
    training = _end_of_training(run).reindex(columns=[run.classes[c] for c in tail])
    return Evidence(
        overall=mean["pixel_acc"],
        mean=mean["macc"],
        mean_iou=mean["miou"],
        mean_precision=mean["mprec"],
        per_class={
            run.classes[c]: Scores(float(recall[c]), float(precision[c]), float(iou[c]))
            for c in order
        },
        groups={
            name: Scores(of["tail_recall"], of["tail_precision"], of["tail_iou"])
            for name, of in by_group.items()
        },
        group_of={run.classes[c]: name for name, ids in groups.items() for c in ids},
        labelled={run.classes[c]: (int(images[c]), int(pixels[c])) for c in order if counted},
        tail_measured=(int(enough[tail].sum()), len(tail)) if counted and tail else None,
        sizes=by_size(run.counts, groups) if counted and groups else None,
        rise=_rise(run.curve.to_numpy()),
        validations=len(run.curve),
        tail_in_training=float(training.loc["class/recall"].mean()),
        tail_gradient=float(training.loc["class/gradient_share"].sum(min_count=1)),
    )


def _end_of_training(run: RunRecord) -> pd.DataFrame:
    """Means of two class statistics over the last quarter of their steps, a column per class."""
    stats = ["class/recall", "class/gradient_share"]
    rows = run.log[run.log["stat"].isin(stats)]
    steps = np.unique(rows["step"])
    last = rows[rows["step"].isin(steps[-max(1, len(steps) // 4) :])]
    return last.pivot_table(values="value", index="stat", columns="class").reindex(stats)


def _rise(curve: Array) -> float:
    """Mean of the last quarter of a curve minus that of the quarter before."""
    if len(curve) < limit("FEWEST_VALIDATIONS"):
        return _NAN
    quarter = len(curve) // 4
    return float(curve[-quarter:].mean() - curve[-2 * quarter : -quarter].mean())
