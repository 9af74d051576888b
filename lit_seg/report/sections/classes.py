"""Compares IoU, recall and precision of each class with those of the baseline."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from lit_seg.analysis.bootstrap import quantile
from lit_seg.analysis.comparison import Comparison, opponent
from lit_seg.metrics.scores import CLASS_STATS, PREDICTED
from lit_seg.metrics.task_words import ALL_SHOWN, few_of
from lit_seg.report.blocks import Block, Cell, Choice, Mark, Section, Table, Text
from lit_seg.report.formatting import score_cell

_EASY = 0.8  # an IoU of the baseline: the mark of the recall loss paper, Tables 2 and 3
_TITLES = {"iou": "IoU", "recall": "Recall", "precision": "Precision"}
_HOW_RARELY = ("never", "hardly ever", "never or hardly ever in some seeds")
_NOTE = (
    "Percent, mean ± standard deviation over seeds. {groups} ▲ higher, ▼ lower than the reference: "
    "the 95 % interval of the difference (Student's t over at least two pairs of seeds) excludes "
    "zero, which it does by chance in about one of twenty equal classes. "
)
_MINORITY = (
    "† The baseline's IoU is below 80 %: a minority class by the rule of the recall loss paper."
)
_EACH = 5
_SHOWN = (
    f"the {_EACH} most and the {_EACH} least frequent ones; {_EACH} with the highest and {_EACH} "
    f"with the lowest recall of the baseline; the {_EACH} that gain and the {_EACH} that lose most "
    "recall against it with any loss; and those that `--classes` names"
)
"""What :func:`_shown_classes` chooses, for a sentence."""
CLASSES_CSV = "classes.csv"
"""Beside a report that cannot show all classes: the recall and precision of each."""


def section(comparison: Comparison) -> Section:
    """Make a table per score, shown one at a time, and list the classes without precision."""
    scores = class_columns(comparison)
    base, pixels = comparison.baseline, comparison.words.unit == "pixel"
    of_base = scores.loc[("iou", base.label)].mean() if base else pd.Series(dtype=float)
    minority = set(of_base.index[of_base < _EASY]) if pixels else set()
    tables = [
        (_TITLES[stat], _table(comparison, stat, scores.loc[stat], minority))
        for stat in CLASS_STATS
    ]
    note = _NOTE.format(groups=comparison.words.groups) + _MINORITY * pixels
    if len(comparison.classes) > ALL_SHOWN:
        note += (
            f"Of {len(comparison.classes)} classes there are {_SHOWN}; all are in {CLASSES_CSV}."
        )
    blocks: list[Block] = [Text(note, "note"), Choice("Score", tables)]
    if rows := _without_precision(comparison, scores.loc["precision"]):
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
    rows, foot, shown = [], [], set(_shown_classes(comparison))
    for rank, (group, ids) in enumerate(comparison.groups.items()):
        names = [comparison.classes[c] for c in ids]
        for c, name in zip(ids, names, strict=True):
            if c not in shown:
                continue
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
    columns = ["class", "group", f"training {comparison.words.unit}s %", *labels]
    return Table(f"{_TITLES[stat]} of each class", columns, rows, True, foot=foot, words=(1,))


def _shown_classes(comparison: Comparison) -> list[int]:
    """The class ids to show, the most frequent first: all if they are few, else as ``_SHOWN`` says.

    Of classes with equal recall the lowest are the most frequent ones, which should be found, and
    the highest the rarest ones.
    """
    order = comparison.by_frequency()
    if len(order) <= ALL_SHOWN:
        return order
    rows = comparison.class_scores
    means = rows[rows["stat"] == "recall"].groupby(["method", "class"], observed=True)["value"]
    recall = means.mean().unstack("class").reindex(columns=[comparison.classes[c] for c in order])
    of_baseline = recall.loc[(comparison.baseline or comparison.methods[0]).label]
    gains = recall.sub(of_baseline)
    ranks = np.arange(len(order))
    chosen = {*range(_EACH), *range(len(order) - _EACH, len(order))}
    chosen |= {*_first(of_baseline, ranks), *_first(-of_baseline, -ranks)}
    chosen |= {*_first(gains.min(), ranks), *_first(-gains.max(), -ranks)}
    asked = [order.index(comparison.classes.index(name)) for name in comparison.watched]
    return [order[place] for place in sorted({*chosen, *asked})]


def _first(values: "pd.Series[float]", ties: npt.NDArray[np.int64]) -> list[int]:
    """Places of the lowest values that are defined; of equal ones those with the lowest tie."""
    places = np.lexsort((ties, values.to_numpy()))  # NaN is last
    return [int(i) for i in places[:_EACH] if values.iloc[i] == values.iloc[i]]


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


def _without_precision(comparison: Comparison, precision: pd.DataFrame) -> list[list[Cell]]:
    """Make a row per loss of the classes without precision, by how rarely it predicts them."""
    rows = []
    for method in comparison.methods:
        lacks = precision.loc[method.label].isna()  # seeds, classes
        if not lacks.to_numpy().any():
            continue
        keys = [key for key in comparison.counts if key[0] == method.label]
        pixels = sum(comparison.counts[key].sums()[:, PREDICTED] for key in keys)
        predicted = pd.Series(pixels, comparison.classes).reindex(lacks.columns) > 0
        never, hardly = lacks.all() & ~predicted, lacks.all() & predicted
        sometimes = lacks.any() & ~lacks.all()
        names = (
            few_of([name for name in comparison.classes if part[name]])
            for part in (never, hardly, sometimes)
        )
        rows.append([Cell(method.label), *map(Cell, names)])
    return rows


def class_columns(comparison: Comparison) -> pd.DataFrame:
    """Scores with a row per score, method and seed, and a column per class."""
    return comparison.class_scores.pivot_table(
        index=["stat", "method", "seed"], columns="class", values="value", dropna=False
    )


def class_csv(comparison: Comparison) -> str:
    """CSV with a row per class: its group, its number in training, and means over seeds."""
    group_of = {c: name for name, ids in comparison.groups.items() for c in ids}
    ids = range(len(comparison.classes))
    table = {
        "class": comparison.classes,
        "group": [group_of[c] for c in ids],
        f"train_{comparison.words.unit}s": comparison.train_pixels,
    }
    means = class_columns(comparison).groupby(["method", "stat"]).mean()[comparison.classes]
    for method in comparison.methods:
        for stat in ("recall", "precision"):
            table[f"{stat} of {method.label}"] = means.loc[(method.label, stat)].round(4).tolist()
    text: str = pd.DataFrame(table).to_csv(index=False, lineterminator="\n")
    return text
