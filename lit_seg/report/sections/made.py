"""How the numbers were made: runs, settings, the bootstrap, versions, the command."""

import platform
from importlib.metadata import PackageNotFoundError, version

import matplotlib
import numpy as np
import pandas as pd

from lit_seg.analysis.bootstrap import seed_factor
from lit_seg.analysis.comparison import Comparison, opponent, paired
from lit_seg.analysis.scores import STATS
from lit_seg.report.blocks import Block, Cell, Points, Section, Table, Text
from lit_seg.report.sections.wording import listed, plural, points


def section(comparison: Comparison) -> Section:
    """Enough to make them again and to doubt them."""
    blocks: list[Block] = [Text(_bootstrap(comparison))]
    if table := _plain(comparison):
        blocks.append(table)
    blocks.append(_settings(comparison))
    blocks.append(_runs(comparison))
    blocks.append(Points(_versions(comparison)))
    return Section("made", "How this was made", blocks)


def _bootstrap(comparison: Comparison) -> str:
    images = comparison.images["image"].nunique()
    if not images:
        return "No run has counts per image, so no difference has an interval."
    seeds = max((int(n) for n in comparison.differences["seeds"]), default=1)
    text = (
        f"**Intervals** are of a paired bootstrap with {comparison.draws:,} resamples and fixed "
        f"random numbers. A resample draws {images} of the {images} validation images with "
        "replacement, the same for both losses and all seeds, adds up the pixels labelled, "
        "predicted and hit per class over the drawn images, computes each score from the sums, "
        "and draws as many pairs of seeds as there are with replacement (seed k of a loss is "
        "paired with seed k of the baseline); its difference is the mean over the drawn pairs, "
        "and the interval lies between the 2.5th and 97.5th percentile."
    )
    if seeds > 1:
        text += (
            " Few seeds resampled spread too little, so how far drawn seeds lie from the mean of "
            "all is widened by sqrt(S / (S − 1)) · t / z, which is "  # noqa: RUF001
            f"{seed_factor(seeds):.2f} for {plural(seeds, 'seed')}; the part of an interval that "
            "comes from seeds stays coarse."
        )
    text += (
        " Validation images are treated as drawn independently, which neighbouring frames of a "
        "video are not."
    )
    return text + " **Clear** means that the interval excludes zero, before Holm's correction."


def _plain(comparison: Comparison) -> Table | None:
    """How the choice of intervals matters, for mIoU."""
    rows = []
    for arm in comparison.arms:
        against = opponent(comparison, arm)
        row = comparison.difference(arm.label, "miou")
        if against is None or row is None or row["low"] != row["low"] or row["seeds"] < 2:
            continue
        plain = paired(comparison, arm, against, widen=False)[0][STATS.index("miou")]
        rows.append(
            [
                Cell(arm.label),
                Cell(against.label),
                Cell(points(row["value"])),
                Cell(f"{points(row['low'])} to {points(row['high'])}"),
                Cell(f"{points(plain.low)} to {points(plain.high)}"),
                Cell(f"{row['same_sign']} of {row['seeds']}"),
                Cell(_p(row["p"])),
                Cell(_p(row["p_holm"])),
            ]
        )
    if not rows:
        return None
    columns = ["loss", "against", "difference", "interval", "without widening", "same sign"]
    return Table(
        "Difference in mean IoU, points: the interval used, that of the plain bootstrap, and p",
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


def _runs(comparison: Comparison) -> Table:
    used = {run.path: arm.label for arm in comparison.arms for run in arm.runs}
    table = comparison.scores.set_index(["arm", "seed", "stat"])["value"]
    rows = []
    for run in comparison.runs:
        label = used.get(run.path)
        miou = table.get((label, run.seed, "miou"), float("nan")) if label else float("nan")
        state = label or (
            "replaced by a later attempt" if run.finished else "not finished, left out"
        )
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
