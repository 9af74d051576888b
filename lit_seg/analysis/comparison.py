"""Losses compared over seeds: scores, per-class scores, and differences with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from lit_seg.analysis.arm_data import (
    CLASS_STATS,
    IMAGES,
    Counts,
    cube_of,
    read_dataset,
    read_images,
    scores_of,
    stacked,
)
from lit_seg.analysis.arms import Arm, Run, find_runs, group
from lit_seg.analysis.bootstrap import Difference, holm, paired_bootstrap
from lit_seg.analysis.runs import load_runs
from lit_seg.analysis.scores import STATS, overall_scores
from lit_seg.analysis.settings import config_differences
from lit_seg.errors import RunError
from lit_seg.imbalance import frequency_groups
from lit_seg.runs import METRICS

__all__ = ["CLASS_STATS", "Comparison", "compare", "opponent", "paired"]


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
    """arm, seed, step, stat, class, value: of ``load_runs``."""
    images: pd.DataFrame
    """arm, seed, image, class, labelled, predicted, hits: of ``load_images``."""
    scores: pd.DataFrame
    """arm, seed, stat (of ``STATS``), value."""
    class_scores: pd.DataFrame
    """arm, seed, class, stat (iou, recall, precision), value."""
    differences: pd.DataFrame
    """arm, against, stat, value, low, high, p, p_holm, real, same_sign, seeds. What is ``real`` has
    an interval without zero from more than one pair of seeds."""
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

    def mean_sd(self, stat: str) -> pd.DataFrame:
        """Mean and sample standard deviation over seeds, and their number, by arm."""
        rows = self.scores[self.scores["stat"] == stat]
        table = rows.groupby("arm", sort=False)["value"].agg(["mean", "std", "count"])
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
    log = stacked(arms, lambda run: load_runs([run.path]))
    classes, pixels, colours, notes = read_dataset(arms, log)
    warnings += notes
    groups = frequency_groups(pixels)
    images, without = read_images(arms)
    if without:
        warnings.append(
            f"no {IMAGES} in {', '.join(without)}: their scores are of {METRICS}, and differences "
            "from them have no interval"
        )
    image_names = sorted(images["image"].unique())
    counts = {
        (str(label), int(seed)): cube_of(rows, image_names, classes)
        for (label, seed), rows in images.groupby(["arm", "seed"])
    }
    per_class, scores = scores_of(arms, counts, log, classes, groups["tail"])
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


def paired(
    comparison: Comparison, ours: Arm, against: Arm, widen: bool = True
) -> tuple[list[Difference], list[int]]:
    """Difference of each score of ``STATS`` between two arms, and the seeds that were paired.

    Without counts per image the differences have no interval. No common seed gives none.
    """
    seeds = [seed for seed in ours.seeds if seed in against.seeds]
    if not seeds:
        return [], []
    counts = comparison.counts
    pairs = [(counts.get((ours.label, s)), counts.get((against.label, s))) for s in seeds]
    mine = [a for a, _ in pairs if a is not None]
    theirs = [b for _, b in pairs if b is not None]
    whole = len(mine) == len(theirs) == len(seeds)
    if whole and all(_same_truth(a, b) for a, b in zip(mine, theirs, strict=True)):
        statistic: Callable[..., npt.NDArray[np.float64]] = partial(
            overall_scores, tail=comparison.tail
        )
        found = paired_bootstrap(
            np.stack(mine), np.stack(theirs), statistic, comparison.draws, widen=widen
        )
        return found, seeds
    nan = float("nan")
    return [
        Difference(float(np.mean(d)), nan, nan, nan)
        for d in _by_seed(comparison, ours, against, seeds)
    ], seeds


def _by_seed(
    comparison: Comparison, ours: Arm, against: Arm, seeds: Sequence[int]
) -> list[npt.NDArray[np.float64]]:
    """Per score the differences of the paired seeds."""
    table = comparison.scores.pivot_table(
        index=["arm", "seed"], columns="stat", values="value", dropna=False
    ).reindex(columns=list(STATS))
    return [
        np.array(
            [table.at[(ours.label, s), stat] - table.at[(against.label, s), stat] for s in seeds]
        )
        for stat in STATS
    ]


def opponent(comparison: Comparison, arm: Arm) -> Arm | None:
    """The baseline of the same budget and data, else of the usual budget; none for the baseline."""
    base = comparison.baseline
    if base is None or arm.label == base.label:
        return None
    if arm.loss == base.loss:
        return base
    alike = [
        other
        for other in comparison.arms
        if other.loss == base.loss
        and other.label.removeprefix(base.loss) == arm.label.removeprefix(arm.loss)
    ]
    return alike[0] if alike else base


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
                f"pixel ({IMAGES}): their differences have no interval"
            )
        signs = _by_seed(comparison, arm, against, seeds)
        for stat, d, by_seed in zip(STATS, found, signs, strict=True):
            rows.append(
                {
                    "arm": arm.label,
                    "against": against.label,
                    "stat": stat,
                    "value": d.value,
                    "low": d.low,
                    "high": d.high,
                    "p": d.p,
                    "real": d.is_real and len(seeds) > 1,
                    "same_sign": int((np.sign(by_seed) == np.sign(d.value)).sum()),
                    "seeds": len(seeds),
                }
            )
    notes += [
        f"{', '.join(labels)}: compared with {how} for one of them; means are over all there are"
        for how, labels in uneven.items()
    ]
    columns = ["arm", "against", "stat", "value", "low", "high", "p", "real", "same_sign", "seeds"]
    table = pd.DataFrame(rows, columns=columns)
    table["p_holm"] = np.nan
    for stat in STATS:  # the losses are the family: one question per score
        of_stat = table["stat"] == stat
        table.loc[of_stat, "p_holm"] = holm(table.loc[of_stat, "p"].tolist())
    return table, notes


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s'[: len(seeds) - 1]} {', '.join(map(str, seeds))}"


def _same_truth(a: Counts, b: Counts) -> bool:
    return a.shape == b.shape and bool((a[..., 0] == b[..., 0]).all())
