"""Describes limits and methods: what the numbers cannot say, intervals, settings, versions."""

import platform

import matplotlib
import numpy as np
import pandas as pd

from lit_seg.analysis.bootstrap import quantile
from lit_seg.analysis.comparison import Comparison
from lit_seg.errors import plural
from lit_seg.metrics.scores import LEAST_PREDICTED
from lit_seg.report.blocks import Block, Cell, Folded, Section, Table, Text
from lit_seg.report.formatting import interval, listed, points
from lit_seg.runs.summary import versions


def section(comparison: Comparison) -> Section:
    """List everything that a reader needs to check the numbers and to reproduce them."""
    base = comparison.baseline.loss if comparison.baseline else "ce"
    intervals: list[Block] = [Text(text) for text in _intervals(comparison)]
    if table := _by_seed(comparison):
        intervals.append(table)
    command = (
        f"**Command**: `python -m lit_seg report RUNS --out FOLDER --baseline {base}` with the "
        "folders of the runs above."
    )
    made: list[Block] = [_settings(comparison), Text(_versions(comparison)), Text(command)]
    blocks: list[Block] = [
        *map(Text, _limits(comparison)),
        Folded("How differences were judged", intervals),
        Folded(f"The {plural(len(comparison.runs), 'run')}", [_runs(comparison)]),
        Folded("Settings, versions and command", made),
    ]
    return Section("made", "How this was made", blocks)


def _limits(comparison: Comparison) -> list[str]:
    """List what a reader must not conclude."""
    numbers = [len(method.runs) for method in comparison.methods]
    found = [
        f"**Seeds**: {min(numbers)} to {max(numbers)} per loss. Intervals of fewer than five seeds "
        "are wide, and a difference that is tied may still exist. One pair of seeds gives no "
        "interval: it says nothing about the spread between trainings."
    ]
    tested = comparison.differences[comparison.differences["p"].notna()]
    if len(tested):
        real = tested[tested["real"]]
        lost = real[~(real["p_holm"] < 0.05)]
        names = [
            f"{comparison.words.stats[row['stat']]} of {row['method']}"
            for _, row in lost.iterrows()
        ]
        found.append(
            f"**Chance**: {len(tested)} differences have an interval, and {len(real)} of the "
            "intervals exclude zero; of differences that do not exist, up to one in twenty would. "
            f"For {len(real) - len(lost)} of them p stays below 0.05 in Holm's correction for the "
            f"number of losses; the others have a question mark: {listed(names) or 'none'}."
        )
    scope = (
        "**Scope**: one set of options per loss, none of them tuned here, on the data, network and "
        "number of steps above; others may order the losses differently. Scores are of validation "
        "images, not of a test set. What a loss gains in classes that the baseline does not find "
        "yet may be a head start that longer training evens out."
    )
    return [*found, scope]


def _intervals(comparison: Comparison) -> list[str]:
    """Explain how the intervals of this report are computed."""
    images, words = len(comparison.images), comparison.words
    if not images:
        return ["**Intervals**: no run has counts per image, so no difference has an interval."]
    found = []
    if pairs := sorted({int(number) for number in comparison.differences["seeds"] if number > 1}):
        quantiles = listed(
            [f"{quantile(number - 1):.2f} for {plural(number, 'pair')}" for number in pairs]
        )
        found.append(
            "**Intervals** of 95 % are m ± t · √(s²/S + v). S is the number of pairs of one seed "
            "of a loss and the same seed of its reference; m and s² are the mean and the variance "
            "of their differences; v is the variance of m over resamples of the validation images, "
            "which all seeds share; t is the quantile of Student's distribution with S − 1 degrees "  # noqa: RUF001
            f"of freedom ({quantiles}). p is of the same t. An interval is cut where the score of "
            "the loss would leave 0 to 100 %, given that of the reference over the same classes."
        )
    return [
        *found,
        f"**Resamples**: {comparison.draws:,} with fixed random numbers. Each draws {images} of "
        f"the {images} images with replacement, the same for both losses and all seeds, and "
        f"computes each score from the summed {words.unit}s. A score without a value in more than "
        "a twentieth of them has no interval. Images count as independent, which neighbouring "
        "frames of a video are not.",
        "**Precision**: a loss that never predicts the hard classes has the mean precision of the "
        f"easy ones, so mean and {words.rare} precision are compared over the classes that both "
        f"losses predict. A class counts as predicted from {100 * LEAST_PREDICTED:.0f} % of its "
        f"labelled number of {words.unit}s on; the precision of fewer is chance.",
    ]


def _by_seed(comparison: Comparison) -> Table | None:
    """Make a table of the differences of the main score with all that is known about them."""
    main = comparison.words.main
    scores = comparison.score(main)
    rows = []
    for method in comparison.methods:
        row = comparison.difference(method.label, main)
        if row is None:
            continue
        ours, theirs = scores[method.label], scores[row["against"]]
        each = ", ".join(map(points, (ours - theirs).loc[ours.index.intersection(theirs.index)]))
        texts = [method.label, row["against"], each, interval(row)]
        texts += [f"{row['same_sign']} of {row['seeds']}", _p(row["p"]), _p(row["p_holm"])]
        rows.append([Cell(text) for text in texts])
    columns = ["loss", "against", "by seed", "difference", "same sign", "p", "p (Holm)"]
    caption = f"Differences in {comparison.words.stats[main]} in points"
    return Table(caption, columns, rows, words=(1,)) if rows else None


def _p(value: float) -> str:
    return "n/a" if value != value else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _settings(comparison: Comparison) -> Block:
    rows = [
        [Cell(option), Cell(value), Cell(listed(labels))]
        for option, values in comparison.settings.items()
        for value, labels in values.items()
    ]
    if rows:
        caption = "Settings in which runs differ"
        return Table(caption, ["option", "value", "runs of"], rows, words=(1, 2))
    steps = listed([str(n) for n in sorted({method.steps for method in comparison.methods})])
    return Text(f"**Settings**: the runs differ only in loss, seed and number of steps ({steps}).")


def _runs(comparison: Comparison) -> Table:
    """List every run that was found, and the seeds that some losses lack."""
    used = {run.path: method.label for method in comparison.methods for run in method.runs}
    scores = comparison.score(comparison.words.main)
    rows = []
    for run in comparison.runs:
        label, score = used.get(run.path), "n/a"
        if label and scores[label, run.seed] == scores[label, run.seed]:
            score = f"{100 * scores[label, run.seed]:.2f}"
        why = "replaced by a later attempt" if run.finished else "not finished, left out"
        why = "damaged, left out" if run.damage else why
        steps = Cell(str(run.steps), value=run.steps)
        rows.append([Cell(run.name), Cell(label or why), steps, Cell(score)])
    seeds = sorted({seed for method in comparison.methods for seed in method.seeds})
    rows += [
        [Cell(f"{method.label}, seed {seed}"), Cell("missing"), Cell(""), Cell("")]
        for method in comparison.methods
        for seed in seeds
        if seed not in method.seeds
    ]
    name = f"{comparison.words.stats[comparison.words.main]} %"
    return Table("Runs", ["run", "counted as", "steps", name], rows, words=(1,))


def _versions(comparison: Comparison) -> str:
    own = versions().get("lit-seg", "not installed")
    of_runs = sorted({run.versions for run in comparison.runs if run.versions})
    return (
        f"**Versions** of the runs: {listed(of_runs) or 'unknown'}. Of the report: lit-seg {own}, "
        f"Python {platform.python_version()}, numpy {np.__version__}, pandas {pd.__version__}, "
        f"matplotlib {matplotlib.__version__}."
    )
