"""Limits and methods: what the numbers cannot say, intervals, settings, runs, versions."""

import platform
from importlib.metadata import PackageNotFoundError, version

import matplotlib
import numpy as np
import pandas as pd

from lit_seg.analysis.bootstrap import quantile
from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.run_groups import Run
from lit_seg.metrics.scores import STAT_NAMES
from lit_seg.report import texts
from lit_seg.report.blocks import Block, Cell, Section, Table, Text
from lit_seg.report.formatting import interval, listed, points


def section(comparison: Comparison) -> Section:
    """Everything that is needed to doubt the numbers and to make them again."""
    statements = [*_limits(comparison), *_intervals(comparison)]
    blocks: list[Block] = [Text(statement) for statement in statements]
    if table := _by_seed(comparison):
        blocks.append(table)
    blocks += [_settings(comparison), _runs(comparison)]
    blocks += [Text(statement) for statement in _versions(comparison)]
    return Section("made", "How this was made", blocks)


def _limits(comparison: Comparison) -> list[str]:
    """What a reader must not conclude."""
    numbers = [len(arm.runs) for arm in comparison.arms]
    found = [texts.SEEDS.format(least=min(numbers), most=max(numbers))]
    tested = comparison.differences[comparison.differences["p"].notna()]
    if len(tested):
        real = tested[tested["real"]]
        lost = real[~(real["p_holm"] < 0.05)]
        names = [
            f"{STAT_NAMES[stat]} of {label}"
            for label, stat in zip(lost["arm"], lost["stat"], strict=True)
        ]
        counts = {"tested": len(tested), "real": len(real), "left": len(real) - len(lost)}
        found.append(texts.CHANCE.format(**counts, lost=listed(names) or "none"))
    return [*found, texts.SCOPE]


def _intervals(comparison: Comparison) -> list[str]:
    """How intervals are computed, as far as there are any."""
    images = comparison.images["image"].nunique()
    if not images:
        return [texts.NO_IMAGES]
    seeds = comparison.differences["seeds"]
    pairs = sorted({int(number) for number in seeds if number > 1})
    found = []
    if pairs:
        quantiles = [f"{quantile(n - 1):.2f} for {n} pairs" for n in pairs]
        found.append(texts.INTERVALS.format(quantiles=listed(quantiles)))
    resamples = texts.RESAMPLES.format(draws=comparison.draws, images=images)
    return [*found, resamples, texts.PRECISION]


def _by_seed(comparison: Comparison) -> Table | None:
    """The differences of mIoU with all that is known about them."""
    scores = comparison.score("miou")
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
                Cell(interval(comparison, row)),
                Cell(f"{row['same_sign']} of {row['seeds']}"),
                Cell(_p(row["p"])),
                Cell(_p(row["p_holm"])),
            ]
        )
    columns = ["loss", "against", "by seed", "difference", "same sign", "p", "p (Holm)"]
    return Table(texts.BY_SEED_CAPTION, columns, rows, words=(1,)) if rows else None


def _p(value: float) -> str:
    return "n/a" if value != value else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _settings(comparison: Comparison) -> Block:
    if not comparison.settings:
        steps = sorted({arm.steps for arm in comparison.arms})
        return Text(texts.SETTINGS_SAME.format(steps=listed([str(number) for number in steps])))
    rows = [
        [Cell(option), Cell(value), Cell(listed(labels))]
        for option, values in comparison.settings.items()
        for value, labels in values.items()
    ]
    return Table(texts.SETTINGS_CAPTION, ["option", "value", "runs of"], rows, words=(1, 2))


def _runs(comparison: Comparison) -> Table:
    """Every run that was found, and the seeds that some losses lack."""
    used = {run.path: arm.label for arm in comparison.arms for run in arm.runs}
    scores = comparison.score("miou")
    rows = []
    for run in comparison.runs:
        label = used.get(run.path)
        miou = scores.get((label, run.seed), float("nan")) if label else float("nan")
        rows.append(
            [
                Cell(run.name),
                Cell(label or _why_left_out(run)),
                Cell(str(run.steps), value=run.steps),
                Cell("n/a" if miou != miou else f"{100 * miou:.2f}"),
            ]
        )
    seeds = sorted({seed for arm in comparison.arms for seed in arm.seeds})
    missing = [
        [Cell(f"{arm.label}, seed {seed}"), Cell("missing"), Cell(""), Cell("")]
        for arm in comparison.arms
        for seed in seeds
        if seed not in arm.seeds
    ]
    columns = ["run", "counted as", "steps", "mean IoU %"]
    return Table(texts.RUNS_CAPTION, columns, [*rows, *missing], words=(1,))


def _why_left_out(run: Run) -> str:
    if run.damage:
        return "damaged, left out"
    return "replaced by a later attempt" if run.finished else "not finished, left out"


def _versions(comparison: Comparison) -> list[str]:
    try:
        own = version("lit-seg")
    except PackageNotFoundError:  # the package is imported without being installed
        own = "not installed"
    of_runs = sorted({run.versions for run in comparison.runs if run.versions})
    versions = texts.VERSIONS.format(
        of_runs=listed(of_runs) or "unknown",
        own=own,
        python=platform.python_version(),
        numpy=np.__version__,
        pandas=pd.__version__,
        matplotlib=matplotlib.__version__,
    )
    base = comparison.baseline.loss if comparison.baseline else "ce"
    return [versions, texts.COMMAND.format(base=base)]
