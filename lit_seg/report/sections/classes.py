"""IoU, recall and precision of each class, against the baseline."""

from math import sqrt

import pandas as pd

from lit_seg.analysis.bootstrap import quantile
from lit_seg.analysis.comparison import CLASS_STATS, Comparison, opponent
from lit_seg.metrics.scores import PREDICTED
from lit_seg.report import texts
from lit_seg.report.blocks import Block, Cell, Choice, Mark, Section, Table, Text
from lit_seg.report.formatting import score_cell

_EASY = 0.8  # IoU of the baseline: the recall loss paper's mark, Tables 2 and 3
_TITLES = {"iou": "IoU", "recall": "Recall", "precision": "Precision"}
_HOW_RARELY = ("never", "hardly ever", "never or hardly ever in some seeds")


def section(comparison: Comparison) -> Section:
    """A table per score, one shown at a time, and the classes that have no precision."""
    tables = [(_TITLES[stat], _table(comparison, stat)) for stat in CLASS_STATS]
    blocks: list[Block] = [Text(texts.CLASSES_NOTE, "note"), Choice("Score", tables)]
    if rows := _without_precision(comparison):
        columns = ["loss", *(f"predicted {how}" for how in _HOW_RARELY)]
        blocks.append(Table(texts.NEVER_CAPTION, columns, rows, words=(1, 2, 3)))
    return Section("classes", "Class by class", blocks)


def _table(comparison: Comparison, stat: str) -> Table:
    scores = comparison.class_scores
    table = scores[scores["stat"] == stat].pivot_table(
        index=["arm", "seed"], columns="class", values="value", dropna=False
    )
    total = max(1, sum(comparison.train_pixels))
    known = len(set(comparison.train_pixels)) > 1
    minority = _minority(comparison)
    marks = {arm.label: _marks(comparison, arm.label, table) for arm in comparison.arms}
    rows, foot = [], []
    for rank, (group, ids) in enumerate(comparison.groups.items()):
        names = [comparison.classes[c] for c in ids]
        for c, name in zip(ids, names, strict=True):
            share = comparison.train_pixels[c] / total
            rows.append(
                [
                    Cell(name + "†" * (name in minority)),
                    Cell(group, value=rank),
                    Cell(_share(100 * share) if known else "n/a", value=share),
                    *(
                        _cell(table.loc[arm.label, name], marks[arm.label].get(name, ""))
                        for arm in comparison.arms
                    ),
                ]
            )
        means = [_cell(table.loc[arm.label, names].mean(axis=1)) for arm in comparison.arms]
        foot.append([Cell(f"mean of {group}"), Cell(""), Cell(""), *means])
    return Table(
        f"{_TITLES[stat]} of each class",
        ["class", "group", "training pixels %", *(arm.label for arm in comparison.arms)],
        rows,
        sortable=True,
        foot=foot,
        words=(1,),
    )


def _cell(seeds: pd.Series, mark: Mark = "") -> Cell:
    return score_cell(float(seeds.mean()), float(seeds.std()), mark=mark)


def _share(percent: float) -> str:
    return f"{percent:.1f}" if percent >= 1 else f"{percent:.2g}"


def _minority(comparison: Comparison) -> set[str]:
    """Classes whose IoU is below 80 % with the baseline."""
    if comparison.baseline is None:
        return set()
    rows = comparison.class_scores
    rows = rows[(rows["arm"] == comparison.baseline.label) & (rows["stat"] == "iou")]
    means = rows.groupby("class")["value"].mean()
    return {str(name) for name, mean in means.items() if mean < _EASY}


def _marks(comparison: Comparison, label: str, table: pd.DataFrame) -> dict[str, Mark]:
    """Classes whose 95 % interval excludes zero.

    It is Student's t over the pairs of seeds, at least two, all of which must have the score.
    """
    arm = comparison.arm(label)
    against = opponent(comparison, arm)
    seeds = [seed for seed in arm.seeds if against and seed in against.seeds]
    if against is None or len(seeds) < 2:
        return {}
    pairs = table.loc[label].loc[seeds] - table.loc[against.label].loc[seeds]
    mean = pairs.mean(skipna=False)
    half = quantile(len(seeds) - 1) * pairs.std(skipna=False) / sqrt(len(seeds))
    marks: dict[str, Mark] = dict.fromkeys(map(str, pairs.columns[mean > half]), "better")
    return marks | dict.fromkeys(map(str, pairs.columns[mean < -half]), "worse")


def _without_precision(comparison: Comparison) -> list[list[Cell]]:
    """A row per loss that has such classes, by how rarely it predicts them."""
    rows = comparison.class_scores
    rows = rows[(rows["stat"] == "precision") & rows["value"].isna()]
    found = []
    for label, part in rows.groupby("arm", sort=False):
        names: dict[str, list[str]] = {how: [] for how in _HOW_RARELY}
        for name, of_class in part.groupby("class", sort=False):
            never, hardly, sometimes = _HOW_RARELY
            pixels = sum(
                int(counts[:, comparison.classes.index(str(name)), PREDICTED].sum())
                for seed in of_class["seed"]
                if (counts := comparison.counts.get((str(label), seed))) is not None
            )
            always = len(of_class) == len(comparison.arm(str(label)).runs)
            names[sometimes if not always else hardly if pixels else never].append(str(name))
        found.append([Cell(str(label)), *(Cell(", ".join(part)) for part in names.values())])
    return found
