"""Losses compared over seeds: scores, per-class scores, and differences with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import nan
from pathlib import Path

import numpy as np
import pandas as pd

from lit_seg.analysis.bootstrap import Difference, bootstrap_pairs, holm
from lit_seg.analysis.group_data import read_counts, read_dataset, scores_of
from lit_seg.analysis.image_counts import ImageCounts, same_labels
from lit_seg.analysis.run_groups import Method, config_differences, group
from lit_seg.analysis.trajectories import drawn_rows, stacked
from lit_seg.errors import RunError
from lit_seg.metrics.scores import (
    STATS,
    is_predicted,
    overall_scores,
    score_differences,
)
from lit_seg.metrics.shot_groups import class_groups
from lit_seg.metrics.task_words import ALL_SHOWN, Words, check_known, words_of
from lit_seg.runs.layout import VAL_IMAGES
from lit_seg.runs.run import Run, find_runs

OF_PRECISION = ("mprec", "tail_precision")  # scores of predicted pixels alone, which may be few


@dataclass(frozen=True)
class Comparison:
    """Finished runs of several losses, read and scored. A ``method`` in a frame is its label."""

    methods: list[Method]  # the baseline, then by ``words.main``, highest first; other budgets last
    baseline: Method | None
    classes: list[str]  # in id order
    train_pixels: list[int]
    colours: list[str]  # ``#rrggbb`` of each class; empty if the runs do not say
    groups: dict[str, list[int]]  # class ids by ``class_groups``
    words: Words  # how a report on these runs calls things
    watched: list[str]  # classes that the reader asked for, where not all are shown
    log: pd.DataFrame  # method, seed, step, stat, class, value: the ``drawn_rows`` of each run
    images: list[str]  # the names of all images with counts, sorted
    scores: pd.DataFrame  # method, seed, stat (of ``STATS``), value
    class_scores: pd.DataFrame  # method, seed, class, stat (of ``CLASS_STATS``), value
    # Options in which runs differ although only loss and seed should: value to labels.
    settings: dict[str, dict[str, list[str]]]
    runs: list[Run]  # every run that was found, finished or not
    warnings: list[str]
    draws: int  # resamples of the bootstrap
    # (I, C, 3) by label and seed, of ``images``; only of the runs that have counts per image.
    counts: dict[tuple[str, int], ImageCounts] = field(repr=False)
    # method, against, stat, value, low, high, p, p_holm, real, same_sign, seeds: of ``paired``.
    # ``seeds`` are the pairs that have a value, ``same_sign`` those of them with the sign of the
    # mean. One pair gives no interval. ``real`` says that the interval excludes zero.
    differences: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def tail(self) -> list[int]:
        """The class ids of the tail, the most frequent first."""
        return list(self.groups.values())[-1]

    def method(self, label: str) -> Method:
        """Find a method by its label."""
        return next(method for method in self.methods if method.label == label)

    def by_frequency(self) -> list[int]:
        """All class ids, the most frequent in training first."""
        return [c for part in self.groups.values() for c in part]

    def score(self, stat: str) -> "pd.Series[float]":
        """A score of ``STATS`` of every run, by method and seed."""
        return self.scores[self.scores["stat"] == stat].set_index(["method", "seed"])["value"]

    def mean_sd(self, stat: str) -> pd.DataFrame:
        """Mean and sample standard deviation over seeds, and their number, by method."""
        table = self.score(stat).groupby("method", sort=False).agg(["mean", "std", "count"])
        return table.reindex([method.label for method in self.methods])

    def difference(self, label: str, stat: str) -> "pd.Series | None":
        """The row of ``differences`` of a method and a score, if it was compared."""
        table = self.differences
        rows = table[(table["method"] == label) & (table["stat"] == stat)]
        return None if rows.empty else rows.iloc[0]


def compare(
    sources: Sequence[str | Path],
    baseline: str = "ce",
    draws: int = 10_000,
    watched: Sequence[str] = (),
) -> Comparison:
    """Read all finished runs in the folders and compare each loss with the baseline.

    Args:
        sources: folders of runs, or folders that such lie below.
        baseline: the loss that the others are compared with.
        draws: resamples of the bootstrap; a tenth of them where there are thousands of classes.
        watched: names of classes to show where there are too many to show all.

    Raises:
        RunError: if no run finished, they were trained on other classes or pixels, or there is no
            class of a name in ``watched``.
    """
    runs = find_runs(sources)
    methods, warnings = group(runs, baseline)
    losses = sorted({method.loss for method in methods})
    if baseline not in losses and (len(losses) > 1 or baseline != "ce"):  # else none was asked for
        raise RunError(
            f"no finished run of the baseline {baseline!r}; there are {', '.join(losses)}: "
            "give one as --baseline"
        )
    base, usual = methods[0] if methods[0].loss == baseline else None, methods[0].steps
    finished = [(method.label, run) for method in methods for run in method.runs]
    classes, pixels, colours = read_dataset(methods)
    check_known(watched, classes)
    rule = methods[0].runs[0].config.get("model.rule")
    groups = class_groups(pixels, rule)
    words = words_of(list(groups), rule)
    draws = draws if len(classes) <= ALL_SHOWN else draws // 10
    images, counts = read_counts(methods, classes)
    if without := [run.name for label, run in finished if (label, run.seed) not in counts]:
        warnings.append(
            f"no {VAL_IMAGES} in {', '.join(without)}: differences from their scores have no "
            "interval"
        )
    per_class, scores = scores_of(methods, list(groups.values())[-1])
    if unconfigured := [run.name for _, run in finished if not run.config]:
        warnings.append(
            f"no config.yaml in {', '.join(unconfigured)}: what they differ in is not known"
        )
    main = scores[scores["stat"] == words.main].groupby("method")["value"].mean().fillna(-1)
    comparison = Comparison(
        methods=sorted(methods, key=lambda m: (m is not base, m.steps != usual, -main[m.label])),
        baseline=base,
        classes=classes,
        train_pixels=pixels,
        colours=colours,
        groups=groups,
        words=words,
        watched=list(watched),
        log=stacked(
            [
                drawn_rows(run.path, run.places).assign(method=label, seed=run.seed)
                for label, run in finished
            ]
        ),
        images=images,
        scores=scores,
        class_scores=per_class,
        settings=config_differences(methods),
        runs=runs,
        warnings=warnings,
        draws=draws,
        counts=counts,
    )
    table, notes = _differences(comparison)
    return replace(comparison, differences=table, warnings=[*warnings, *notes])


def paired(
    comparison: Comparison, ours: Method, against: Method
) -> tuple[list[Difference], list[int]]:
    """Difference of each score of ``STATS`` between two methods, and the seeds that were paired.

    Mean and tail precision are compared over the classes that both of a pair predict on the
    validation images, as ``is_predicted`` says; a pair without such a class has no difference of
    them. One without an interval is left out, as it hangs on a few pixels. Intervals end where the
    score of ``ours`` would leave 0 to 1, given the mean of ``against``.

    Without counts per image the differences have no interval, and there are none of precision,
    for nothing tells how often a class is predicted. No common seed gives none.
    """
    seeds = [seed for seed in ours.seeds if seed in against.seeds]
    if not seeds:
        return [], []
    counts = comparison.counts
    a, b = (
        [counts[label, seed] for seed in seeds if (label, seed) in counts]
        for label in (ours.label, against.label)
    )
    counted = len(a) == len(b) == len(seeds)
    if counted and all(map(same_labels, a, b)):
        our_sums, their_sums = (np.array([each.sums() for each in part]) for part in (a, b))
        both = is_predicted(our_sums) & is_predicted(their_sums)
        statistic = partial(score_differences, tail=comparison.tail, both=both)
        found = bootstrap_pairs(a, b, statistic, comparison.draws)
        theirs = overall_scores(their_sums, comparison.tail, both)  # S, STATS
        theirs[np.isnan([d.by_seed for d in found]).T] = nan
        means = pd.DataFrame(theirs).mean()
        found = [d.possible(mean) for d, mean in zip(found, means, strict=True)]
    else:
        found = []
        for stat in STATS:
            scores = comparison.score(stat)
            each = [float(scores[ours.label, s] - scores[against.label, s]) for s in seeds]
            found.append(Difference(pd.Series(each).mean(), nan, nan, nan, tuple(each)))
    return [
        replace(d, value=nan, by_seed=(nan,) * len(seeds))
        if stat in OF_PRECISION and d.low != d.low
        else d
        for stat, d in zip(STATS, found, strict=True)
    ], seeds


def opponent(comparison: Comparison, method: Method) -> Method | None:
    """The baseline of the same budget and data, or else of the usual budget.

    The baseline itself has none. Of classifiers all others have the baseline, also those that train
    another method with its loss.
    """
    base = comparison.baseline
    if base is None or method.label == base.label:
        return None
    if method.loss == base.loss or comparison.words.unit == "image":
        return base
    label = base.loss + method.label.removeprefix(method.loss)
    return next((other for other in comparison.methods if other.label == label), base)


def _differences(comparison: Comparison) -> tuple[pd.DataFrame, list[str]]:
    """Make the frame ``differences``, and the warnings that a reader needs with it."""
    rows, notes = [], []
    uneven: dict[str, list[str]] = {}
    for method in comparison.methods:
        against = opponent(comparison, method)
        if against is None:
            continue
        found, seeds = paired(comparison, method, against)
        if not seeds:
            notes.append(f"{method.label} and {against.label} have no seed in common: not compared")
            continue
        if alone := sorted(set(method.seeds) ^ set(against.seeds)):
            common, missing = (", ".join(map(str, part)) for part in (seeds, alone))
            plural = "s" if len(seeds) > 1 else ""
            how = f"{against.label} on seed{plural} {common}, seed {missing} is missing"
            uneven.setdefault(how, []).append(method.label)
        if all(d.low != d.low for d in found):
            notes.append(
                f"{method.label} and {against.label} were not scored on the same labels "
                f"{comparison.words.unit} by {comparison.words.unit} ({VAL_IMAGES}): their "
                "differences have no interval"
            )
        for stat, d in zip(STATS, found, strict=True):
            low, high = (d.low, d.high) if d.seeds > 1 else (nan, nan)
            same_sign = int((np.sign(d.by_seed) == np.sign(d.value)).sum())
            interval = (d.value, low, high, d.p, d.is_real)
            rows.append((method.label, against.label, stat, *interval, same_sign, d.seeds))
    notes += [
        f"{', '.join(labels)}: compared with {how} for one of them; means are over all there are"
        for how, labels in uneven.items()
    ]
    columns = ["method", "against", "stat", "value", "low", "high", "p", "real", "same_sign"]
    table = pd.DataFrame(rows, columns=[*columns, "seeds"])
    steps = table["method"].map({method.label: method.steps for method in comparison.methods})
    # The losses at one budget are the family: one question per score and baseline.
    families = table.groupby(["stat", "against", steps])["p"]
    return table.assign(p_holm=families.transform(lambda p: holm(p.tolist()))), notes
