"""Compares IoU, recall and precision of each class with those of the baseline."""

import pandas as pd

from lit_seg.analysis.bootstrap import quantile
from lit_seg.analysis.comparison import Comparison, opponent
from lit_seg.metrics.scores import CLASS_STATS, PREDICTED
from lit_seg.report.blocks import Block, Cell, Choice, Mark, Section, Table, Text
from lit_seg.report.formatting import score_cell

_EASY = 0.8  # an IoU of the baseline: the mark of the recall loss paper, Tables 2 and 3
_TITLES = {"iou": "IoU", "recall": "Recall", "precision": "Precision"}
_HOW_RARELY = ("never", "hardly ever", "never or hardly ever in some seeds")
_NOTE = (
    "Percent, mean ± standard deviation over seeds. Head, medium and tail are the most, middle and "
    "least frequent third of the classes in training. ▲ higher, ▼ lower than the reference: the 95 "
    "% interval of the difference (Student's t over at least two pairs of seeds) excludes zero, "
    "which it does by chance in about one of twenty equal classes. † The baseline's IoU is below "
    "80 %: a minority class by the rule of the recall loss paper."
)


def section(comparison: Comparison) -> Section:
    """Make a table per score, shown one at a time, and list the classes without precision."""
    scores = comparison.class_scores.pivot_table(
        index=["stat", "method", "seed"], columns="class", values="value", dropna=False
    )
    base = comparison.baseline
    of_base = scores.loc[("iou", base.label)].mean() if base else pd.Series(dtype=float)
    minority = set(of_base.index[of_base < _EASY])
    tables = [
        (_TITLES[stat], _table(comparison, stat, scores.loc[stat], minority))
        for stat in CLASS_STATS
    ]
    blocks: list[Block] = [Text(_NOTE, "note"), Choice("Score", tables)]
    if rows := _without_precision(comparison):
        columns = ["loss", *(f"predicted {how}" for how in _HOW_RARELY)]
        caption = (
            "Classes without a precision. They are left out of the mean, which flatters the mean "
            "of a loss"
        )
        blocks.append(Table(caption, columns, rows, words=(1, 2, 3)))
    return Section("classes", "Class by class", blocks)


def _table(comparison: Comparison, stat: str, scores: pd.DataFrame, minority: set[str]) -> Table:
    """Make a table with a row per class.

    ``scores`` have a row per method and seed, and a column per class.
    """
    labels = [method.label for method in comparison.methods]
    total = max(1, sum(comparison.train_pixels))
    known = len(set(comparison.train_pixels)) > 1
    marks = {label: _marks(comparison, label, scores) for label in labels}
    rows, foot = [], []
    for rank, (group, ids) in enumerate(comparison.groups.items()):
        names = [comparison.classes[c] for c in ids]
        for c, name in zip(ids, names, strict=True):
            share = comparison.train_pixels[c] / total
            percent = f"{100 * share:.1f}" if share >= 0.01 else f"{100 * share:.2g}"
            rows.append(
                [
                    Cell(name + "†" * (name in minority)),
                    Cell(group, value=rank),
                    Cell(percent if known else "n/a", value=share),
                    *(_cell(scores.loc[of, name], marks[of].get(name, "")) for of in labels),
                ]
            )
        means = [_cell(scores.loc[label, names].mean(axis=1)) for label in labels]
        foot.append([Cell(f"mean of {group}"), Cell(""), Cell(""), *means])
    columns = ["class", "group", "training pixels %", *labels]
    return Table(f"{_TITLES[stat]} of each class", columns, rows, True, foot=foot, words=(1,))


def _cell(seeds: pd.Series, mark: Mark = "") -> Cell:
    return score_cell(float(seeds.mean()), float(seeds.std()), mark=mark)


def _marks(comparison: Comparison, label: str, scores: pd.DataFrame) -> dict[str, Mark]:
    """Find the classes whose difference has a 95 % interval that excludes zero.

    The interval is Student's t over the pairs of seeds. There must be at least two pairs, and
    all of them must have the score.
    """
    method = comparison.method(label)
    against = opponent(comparison, method)
    seeds = [seed for seed in method.seeds if against and seed in against.seeds]
    if against is None or len(seeds) < 2:
        return {}
    pairs = scores.loc[label].loc[seeds] - scores.loc[against.label].loc[seeds]
    mean = pairs.mean(skipna=False)
    half = quantile(len(seeds) - 1) * pairs.sem(skipna=False)
    marks: dict[str, Mark] = dict.fromkeys(map(str, pairs.columns[mean > half]), "better")
    return marks | dict.fromkeys(map(str, pairs.columns[mean < -half]), "worse")


def _without_precision(comparison: Comparison) -> list[list[Cell]]:
    """Make a row per loss of the classes without precision, by how rarely it predicts them."""
    rows = comparison.class_scores
    rows = rows[(rows["stat"] == "precision") & rows["value"].isna()]
    found = []
    for label, part in rows.groupby("method", sort=False):
        names: dict[str, list[str]] = {how: [] for how in _HOW_RARELY}
        for name, seeds in part.groupby("class", sort=False)["seed"]:
            never, hardly, sometimes = _HOW_RARELY
            keys = comparison.counts.keys() & {(str(label), seed) for seed in seeds}
            c = comparison.classes.index(str(name))
            pixels = any(comparison.counts[key].sums()[c, PREDICTED] for key in keys)
            always = len(seeds) == len(comparison.method(str(label)).runs)
            names[sometimes if not always else hardly if pixels else never].append(str(name))
        found.append([Cell(str(label)), *(Cell(", ".join(part)) for part in names.values())])
    return found
