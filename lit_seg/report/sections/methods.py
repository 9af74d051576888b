"""How the numbers were made: intervals, settings, runs, versions, the command."""

import platform
from importlib.metadata import PackageNotFoundError, version

import matplotlib
import numpy as np
import pandas as pd

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.run_groups import Run
from lit_seg.analysis.student import quantile
from lit_seg.metrics.scores import LEAST_PREDICTED
from lit_seg.report.blocks import Block, Cell, Points, Section, Table, Text
from lit_seg.report.sections.formatting import listed, points


def section(comparison: Comparison) -> Section:
    """Enough to make them again and to doubt them."""
    blocks: list[Block] = [Text(_intervals(comparison))]
    if table := _by_seed(comparison):
        blocks.append(table)
    blocks.append(_settings(comparison))
    blocks.append(_runs(comparison))
    blocks.append(Points(_versions(comparison)))
    return Section("made", "How this was made", blocks)


def _intervals(comparison: Comparison) -> str:
    images = comparison.images["image"].nunique()
    if not images:
        return "No run has counts per image, so no difference has an interval."
    pairs = sorted({int(n) for n in comparison.differences["seeds"] if n > 1})
    text = ""
    if pairs:
        t = listed([f"{quantile(n - 1):.2f} for {n} pairs" for n in pairs])
        text += (
            "**Intervals** of 95 % are m ± t · √(s²/S + v): m and s² are the mean and the "
            "variance of the S differences between seed k of a loss and seed k of its baseline, v "
            "is the variance of m over resamples of the validation images, and t is Student's with "
            f"S − 1 degrees of freedom ({t}). The two variances add "  # noqa: RUF001
            "because all seeds are scored on the same images; the degrees of freedom, those of the "
            "seeds alone, make intervals rather too wide than too narrow. p is of the same t. "
        )
    if (comparison.differences["seeds"] == 1).any() or not pairs:
        text += (
            "**One pair of seeds** says nothing about the spread between trainings: its interval "
            "is from the 2.5th to the 97.5th percentile over the images alone, and nothing is "
            "marked clear. "
        )
    text += (
        f"**Resamples**: {comparison.draws:,} with fixed random numbers; each draws {images} of "
        f"the {images} images with replacement, the same for both losses and all seeds, adds up "
        "the pixels labelled, predicted and hit per class, and computes each score from the sums. "
        "A score without a value in more than a twentieth of them has no interval. Images count "
        "as drawn independently, which neighbouring frames of a video are not. "
        "**Precision**: differences of mean and tail precision are over the classes that both of a "
        "pair predict, for a loss that never predicts the hard classes has the mean of the easy "
        f"ones. A class counts as predicted from {100 * LEAST_PREDICTED:.0f} % of its labelled "
        "pixels on: the precision of a handful of pixels is chance. A pair without such a class, "
        "or an interval, has no difference of precision. "
        "**Clear** means that the interval of more than one pair excludes zero, before Holm's "
        "correction, which is over the losses of one budget for each score."
    )
    return text


def _by_seed(comparison: Comparison) -> Table | None:
    """The differences of mIoU with all that is known about them."""
    values = comparison.scores[comparison.scores["stat"] == "miou"]
    scores = values.set_index(["arm", "seed"])["value"]
    rows = []
    for arm in comparison.arms:
        row = comparison.difference(arm.label, "miou")
        if row is None or row["low"] != row["low"]:
            continue
        against = comparison.arm(row["against"])
        each = [
            points(scores[arm.label, seed] - scores[against.label, seed])
            for seed in arm.seeds
            if seed in against.seeds
        ]
        rows.append(
            [
                Cell(arm.label),
                Cell(against.label),
                Cell(", ".join(each)),
                Cell(points(row["value"])),
                Cell(f"{points(row['low'])} to {points(row['high'])}"),
                Cell(f"{row['same_sign']} of {row['seeds']}"),
                Cell(_p(row["p"])),
                Cell(_p(row["p_holm"])),
            ]
        )
    if not rows:
        return None
    columns = ["loss", "against", "by seed", "difference", "interval", "same sign"]
    return Table(
        "Differences in mean IoU, points",
        [*columns, "p", "p (Holm)"],
        rows,
        words=(1,),
    )


def _p(value: float) -> str:
    return "n/a" if value != value else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _settings(comparison: Comparison) -> Block:
    if not comparison.settings:
        steps = sorted({arm.steps for arm in comparison.arms})
        more = f", and in the number of steps ({listed([str(s) for s in steps])})" * (
            len(steps) > 1
        )
        return Text(f"**Settings**: the runs differ in nothing but loss and seed{more}.")
    rows = [
        [Cell(option), Cell(value), Cell(listed(labels))]
        for option, values in comparison.settings.items()
        for value, labels in values.items()
    ]
    return Table(
        "Settings in which runs differ", ["option", "value", "runs of"], rows, words=(1, 2)
    )


def _why_left_out(run: Run) -> str:
    if run.damage:
        return "damaged, left out"
    return "replaced by a later attempt" if run.finished else "not finished, left out"


def _runs(comparison: Comparison) -> Table:
    used = {run.path: arm.label for arm in comparison.arms for run in arm.runs}
    table = comparison.scores.set_index(["arm", "seed", "stat"])["value"]
    rows = []
    for run in comparison.runs:
        label = used.get(run.path)
        miou = table.get((label, run.seed, "miou"), float("nan")) if label else float("nan")
        state = label or _why_left_out(run)
        rows.append(
            [
                Cell(run.name),
                Cell(state),
                Cell(str(run.steps), value=run.steps),
                Cell("n/a" if miou != miou else f"{100 * miou:.2f}"),
            ]
        )
    missing = _missing(comparison)
    return Table(
        f"Runs.{f' Missing: {missing}.' if missing else ''}",
        ["run", "counted as", "steps", "mean IoU %"],
        rows,
        words=(1,),
    )


def _missing(comparison: Comparison) -> str:
    seeds = sorted({seed for arm in comparison.arms for seed in arm.seeds})
    return "; ".join(
        f"{arm.label} seed {listed([str(s) for s in seeds if s not in arm.seeds])}"
        for arm in comparison.arms
        if set(seeds) - set(arm.seeds)
    )


def _versions(comparison: Comparison) -> list[str]:
    try:
        own = version("lit-seg")
    except PackageNotFoundError:  # imported without being installed
        own = "not installed"
    of_runs = sorted({run.versions for run in comparison.runs if run.versions})
    base = comparison.baseline.loss if comparison.baseline else "ce"
    return [
        f"Runs: {listed(of_runs) or 'unknown versions'}.",
        f"Report: lit-seg {own}, Python {platform.python_version()}, numpy {np.__version__}, "
        f"pandas {pd.__version__}, matplotlib {matplotlib.__version__}.",
        f"Command: `python -m lit_seg report RUNS --out FOLDER --baseline {base}` with the folders "
        "of the runs above.",
    ]
