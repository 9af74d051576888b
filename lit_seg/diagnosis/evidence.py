"""The numbers that the verdict rests on."""

from dataclasses import dataclass

import numpy as np

from lit_seg.diagnosis.reading import HITS, LABELLED, PREDICTED, Array, RunFiles
from lit_seg.diagnosis.rules import below, limit, reaches
from lit_seg.diagnosis.sizes import Sizes, by_size
from lit_seg.metrics.frequency_groups import frequency_groups


@dataclass(frozen=True)
class Scores:
    """Of a class or the mean of some; NaN where undefined, and left out of means."""

    recall: float
    precision: float
    iou: float


@dataclass(frozen=True)
class Evidence:
    """Measured on the last validation.

    Attributes:
        overall: overall (pixel) accuracy.
        mean: mean accuracy, the mean recall of labelled classes.
        mean_iou: over classes that are labelled or predicted.
        mean_precision: over predicted classes.
        per_class: by name, the most frequent first where that is known.
        groups: of head, medium and tail; empty if frequencies are not known.
        group_of: name of the group, by class.
        labelled: by class, images that show it and labelled pixels; empty if not known.
        tail_measured: number of tail classes with enough labelled, and of all; None if not known.
        sizes: None if the run has no counts per image.
        rise: of the mean IoU at the end; NaN if too few validations.
        validations: how many there were.
        tail_in_training: recall of the tail at the end of training; NaN if not known.
        tail_gradient: share of the gradient on pixels of the tail at the end; NaN if not known.
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
        """Overall less mean accuracy."""
        return self.overall - self.mean

    @property
    def tail_gap(self) -> float:
        """Recall of the head less that of the tail; NaN if frequencies are not known."""
        if not self.groups:
            return float("nan")
        return self.groups["head"].recall - self.groups["tail"].recall

    @property
    def never_found(self) -> list[str]:
        """Classes that are labelled and (nearly) never found."""
        return [name for name, of in self.per_class.items() if below(of.recall, "MISSED")]

    @property
    def flooded(self) -> list[str]:
        """Classes that are found, while most of what is called so is not."""
        return [
            name
            for name, of in self.per_class.items()
            if reaches(of.recall, "FOUND") and below(of.precision, "FLOODED")
        ]


def weigh(run: RunFiles) -> Evidence:
    """Score a run from its counts per image, or from what it logged where it has none."""
    recall, precision, iou, overall = _scores(run)
    # shares in percent have two digits: whole numbers that keep the order
    ids = frequency_groups([round(100 * n) for n in run.frequency]) if run.frequency else {}
    order = [c for part in ids.values() for c in part] or list(range(len(run.classes)))
    tail = ids.get("tail", [])
    names = [run.classes[c] for c in tail]
    images, pixels = (run.counts[:, :, LABELLED] > 0).sum(0), run.counts[:, :, LABELLED].sum(0)
    known = bool(run.images)
    enough = (images >= limit("FEWEST_IMAGES")) & (pixels >= limit("FEWEST_PIXELS"))
    share = run.training.get("gradient_share", {})
    return Evidence(
        overall=overall,
        mean=_mean(recall),
        mean_iou=_mean(iou),
        mean_precision=_mean(precision),
        per_class={
            run.classes[c]: Scores(float(recall[c]), float(precision[c]), float(iou[c]))
            for c in order
        },
        groups={
            group: Scores(_mean(recall[part]), _mean(precision[part]), _mean(iou[part]))
            for group, part in ids.items()
        },
        group_of={run.classes[c]: group for group, part in ids.items() for c in part},
        labelled={run.classes[c]: (int(images[c]), int(pixels[c])) for c in order if known},
        tail_measured=(int(enough[tail].sum()), len(tail)) if known and tail else None,
        sizes=by_size(run.counts, ids) if known and ids else None,
        rise=_rise([value for _, value in run.curve]),
        validations=len(run.curve),
        tail_in_training=_mean_of(run.training.get("recall", {}), names),
        tail_gradient=sum(share.get(name, 0.0) for name in names) if share else float("nan"),
    )


def _scores(run: RunFiles) -> tuple[Array, Array, Array, float]:
    """Recall, precision and IoU ``(C,)``, and overall accuracy."""
    if not run.images:
        logged = run.logged
        return logged["recall"], logged["precision"], logged["iou"], float(logged["pixel_acc"])
    sums = run.counts.sum(0).astype(np.float64)
    hits, labelled, predicted = (sums[:, place] for place in (HITS, LABELLED, PREDICTED))
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN: the score is undefined
        return (
            hits / labelled,
            hits / predicted,
            hits / (labelled + predicted - hits),
            float(hits.sum() / labelled.sum()),
        )


def _mean(values: Array) -> float:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else float("nan")


def _mean_of(values: dict[str, float], names: list[str]) -> float:
    return _mean(np.array([values.get(name, float("nan")) for name in names]))


def _rise(curve: list[float]) -> float:
    if len(curve) < limit("FEWEST_VALIDATIONS"):
        return float("nan")
    quarter = len(curve) // 4
    return float(np.mean(curve[-quarter:]) - np.mean(curve[-2 * quarter : -quarter]))
