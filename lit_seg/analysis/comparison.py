"""Losses compared over seeds: scores, per-class scores, and differences with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from lit_seg.analysis.bootstrap import Difference, bootstrap_pairs, holm
from lit_seg.analysis.group_data import (
    Counts,
    cube_of,
    read_dataset,
    read_images,
    read_log,
    scores_of,
)
from lit_seg.analysis.run_groups import Arm, Run, find_runs, group
from lit_seg.analysis.settings import config_differences
from lit_seg.errors import RunError
from lit_seg.metrics.frequency_groups import frequency_groups
from lit_seg.metrics.scores import CLASS_STATS, STATS, is_predicted, score_differences
from lit_seg.runs.layout import VAL_IMAGES

__all__ = ["CLASS_STATS", "Comparison", "compare", "opponent", "paired"]

OF_PRECISION = ("mprec", "tail_precision")
"""Scores of predicted pixels alone, which may be few."""


@dataclass(frozen=True)
class Comparison:
    """Finished runs of several losses, read and scored; frames have a column ``arm``, a label."""

    arms: list[Arm]
    """The baseline first, then by mean IoU, the highest first; other budgets last."""
    baseline: Arm | None
    classes: list[str]
    """In id order."""
    train_pixels: list[int]
    colours: list[str]
    """``#rrggbb`` of each class; empty if the runs do not say."""
    groups: dict[str, list[int]]
    """Class ids of head, medium and tail."""
    log: pd.DataFrame
    """arm, seed, step, stat, class, value: of ``read_log``, what is drawn."""
    images: pd.DataFrame
    """arm, seed, image, class, labelled, predicted, hits: of ``load_images``."""
    scores: pd.DataFrame
    """arm, seed, stat (of ``STATS``), value."""
    class_scores: pd.DataFrame
    """arm, seed, class, stat (iou, recall, precision), value."""
    differences: pd.DataFrame
    """arm, against, stat, value, low, high, p, p_holm, real, same_sign, seeds, of ``paired``.

    ``seeds`` are the pairs that have a value, ``same_sign`` those of them with the sign of the
    mean. What is ``real`` has an interval without zero from more than one pair."""
    settings: dict[str, dict[str, list[str]]]
    """Options in which runs differ although only loss and seed should: value to labels."""
    runs: list[Run]
    """Every run that was found, finished or not."""
    warnings: list[str]
    draws: int
    counts: dict[tuple[str, int], Counts] = field(repr=False)
    """``(I, C, 3)`` by label and seed, of the images of ``image_names``."""

    @property
    def tail(self) -> list[int]:
        """Class ids, the most frequent first."""
        return self.groups["tail"]

    def arm(self, label: str) -> Arm:
        """The arm of a label."""
        return next(arm for arm in self.arms if arm.label == label)

    def by_frequency(self) -> list[int]:
        """Class ids, the most frequent in training first."""
        return [c for part in self.groups.values() for c in part]

    def score(self, stat: str) -> "pd.Series[float]":
        """A score of ``STATS`` of every run, by arm and seed."""
        return self.scores[self.scores["stat"] == stat].set_index(["arm", "seed"])["value"]

    def mean_sd(self, stat: str) -> pd.DataFrame:
        """Mean and sample standard deviation over seeds, and their number, by arm."""
        table = self.score(stat).groupby("arm", sort=False).agg(["mean", "std", "count"])
        return table.reindex([arm.label for arm in self.arms])

    def difference(self, label: str, stat: str) -> "pd.Series | None":
        """The row of ``differences`` of an arm and a score, if it was compared."""
        table = self.differences
        rows = table[(table["arm"] == label) & (table["stat"] == stat)]
        return None if rows.empty else rows.iloc[0]


def compare(sources: Sequence[str | Path], baseline: str = "ce", draws: int = 10_000) -> Comparison:
    """Read all finished runs in the folders and compare each loss with the baseline.

    Args:
        sources: folders of runs, or folders that such lie below.
        baseline: the loss that the others are compared with.
        draws: resamples of the bootstrap.

    Raises:
        RunError: if there is nothing to compare, or runs are of different classes.
    """
    runs = find_runs(sources)
    arms, warnings = group(runs, baseline)
    losses = sorted({arm.loss for arm in arms})
    if baseline not in losses and len(losses) > 1:
        raise RunError(
            f"no finished run of the baseline {baseline!r}; there are {', '.join(losses)}: "
            "give one as --baseline"
        )
    base = arms[0] if arms[0].loss == baseline else None
    log = read_log(arms)
    classes, pixels, colours, notes = read_dataset(arms)
    warnings += notes
    groups = frequency_groups(pixels)
    images, without = read_images(arms)
    if without:
        warnings.append(
            f"no {VAL_IMAGES} in {', '.join(without)}: their scores are those that were logged, "
            "and differences from them have no interval"
        )
    image_names = sorted(images["image"].unique())
    counts = {
        (str(label), int(seed)): cube_of(rows, image_names, classes)
        for (label, seed), rows in images.groupby(["arm", "seed"])
    }
    per_class, scores = scores_of(arms, counts, groups["tail"])
    settings, unconfigured = config_differences(arms)
    if unconfigured:
        warnings.append(
            f"no config.yaml in {', '.join(unconfigured)}: what they differ in is not known"
        )
    comparison = Comparison(
        arms=_ranked(arms, base, scores),
        baseline=base,
        classes=classes,
        train_pixels=pixels,
        colours=colours,
        groups=groups,
        log=log,
        images=images,
        scores=scores,
        class_scores=per_class,
        differences=pd.DataFrame(),
        settings=settings,
        runs=runs,
        warnings=warnings,
        draws=draws,
        counts=counts,
    )
    table, notes = _differences(comparison)
    return replace(comparison, differences=table, warnings=[*warnings, *notes])


def _ranked(arms: Sequence[Arm], base: Arm | None, scores: pd.DataFrame) -> list[Arm]:
    usual = arms[0].steps
    miou = scores[scores["stat"] == "miou"].groupby("arm")["value"].mean().fillna(-1)
    return sorted(arms, key=lambda arm: (arm is not base, arm.steps != usual, -miou[arm.label]))


def paired(comparison: Comparison, ours: Arm, against: Arm) -> tuple[list[Difference], list[int]]:
    """Difference of each score of ``STATS`` between two arms, and the seeds that were paired.

    Mean and tail precision are compared over the classes that both of a pair predict on the
    validation images, as ``is_predicted`` says; a pair without such a class has no difference of
    them. One without an interval is left out, as it hangs on a few pixels.

    Without counts per image the differences have no interval, and there are none of precision,
    for nothing tells how often a class is predicted. No common seed gives none.
    """
    seeds = [seed for seed in ours.seeds if seed in against.seeds]
    if not seeds:
        return [], []
    counts = comparison.counts
    pairs = [(counts.get((ours.label, s)), counts.get((against.label, s))) for s in seeds]
    same_truth = [
        (a, b)
        for a, b in pairs
        if a is not None and b is not None and np.array_equal(a[..., 0], b[..., 0])
    ]
    if len(same_truth) < len(seeds):
        return _without_interval(comparison, ours, against, seeds), seeds
    a, b = (np.stack(side) for side in zip(*same_truth, strict=True))
    both = is_predicted(a.sum(axis=1)) & is_predicted(b.sum(axis=1))
    statistic = partial(score_differences, tail=comparison.tail, both=both)
    return _with_interval(bootstrap_pairs(a, b, statistic, comparison.draws)), seeds


def _with_interval(found: list[Difference]) -> list[Difference]:
    """Without differences of precision that have no interval."""
    nan = float("nan")
    return [
        replace(d, value=nan, by_seed=(nan,) * len(d.by_seed))
        if stat in OF_PRECISION and d.low != d.low
        else d
        for stat, d in zip(STATS, found, strict=True)
    ]


def _without_interval(
    comparison: Comparison, ours: Arm, against: Arm, seeds: Sequence[int]
) -> list[Difference]:
    """From the scores of runs alone."""
    found, nan = [], float("nan")
    for stat in STATS:
        scores = comparison.score(stat)
        each = [scores[ours.label, s] - scores[against.label, s] for s in seeds]
        found.append(Difference(pd.Series(each).mean(), nan, nan, nan, tuple(map(float, each))))
    return _with_interval(found)


def opponent(comparison: Comparison, arm: Arm) -> Arm | None:
    """The baseline of the same budget and data, else of the usual budget; none for the baseline."""
    base = comparison.baseline
    if base is None or arm.label == base.label:
        return None
    if arm.loss == base.loss:
        return base
    label = base.loss + arm.label.removeprefix(arm.loss)
    return next((other for other in comparison.arms if other.label == label), base)


def _differences(comparison: Comparison) -> tuple[pd.DataFrame, list[str]]:
    rows, notes = [], []
    uneven: dict[str, list[str]] = {}
    for arm in comparison.arms:
        against = opponent(comparison, arm)
        if against is None:
            continue
        found, seeds = paired(comparison, arm, against)
        if not seeds:
            notes.append(f"{arm.label} and {against.label} have no seed in common: not compared")
            continue
        if alone := sorted(set(arm.seeds) ^ set(against.seeds)):
            how = (
                f"{against.label} on {_seeds(seeds)}, seed {', '.join(map(str, alone))} is missing"
            )
            uneven.setdefault(how, []).append(arm.label)
        if all(d.low != d.low for d in found):
            notes.append(
                f"{arm.label} and {against.label} were not scored on the same labels pixel by "
                f"pixel ({VAL_IMAGES}): their differences have no interval"
            )
        rows += [
            (
                *(arm.label, against.label, stat, d.value, d.low, d.high, d.p, d.is_real),
                *(int((np.sign(d.by_seed) == np.sign(d.value)).sum()), d.seeds),
            )
            for stat, d in zip(STATS, found, strict=True)
        ]
    notes += [
        f"{', '.join(labels)}: compared with {how} for one of them; means are over all there are"
        for how, labels in uneven.items()
    ]
    columns = ["arm", "against", "stat", "value", "low", "high", "p", "real", "same_sign", "seeds"]
    table = pd.DataFrame(rows, columns=columns)
    # The losses at one budget are the family: one question per score and baseline.
    table["p_holm"] = np.nan
    steps = table["arm"].map({arm.label: arm.steps for arm in comparison.arms})
    for _, family in table.groupby(["stat", "against", steps]):
        table.loc[family.index, "p_holm"] = holm(family["p"].tolist())
    return table, notes


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s'[: len(seeds) - 1]} {', '.join(map(str, seeds))}"
