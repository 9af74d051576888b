"""IoU, recall and precision of each class, against the baseline."""

from math import sqrt

import pandas as pd

from lit_seg.analysis.comparison import CLASS_STATS, Comparison, opponent
from lit_seg.analysis.student import quantile
from lit_seg.report.blocks import Cell, Choice, Mark, Section, Simple, Table, Text
from lit_seg.report.sections.formatting import mean_sd, references

_EASY = 0.8  # IoU of the baseline: the recall loss paper's mark, Tables 2 and 3
_TITLES = {"iou": "IoU", "recall": "Recall", "precision": "Precision"}


def section(comparison: Comparison) -> Section:
    """A table per score, one shown at a time."""
    base = comparison.baseline
    options: list[tuple[str, list[Simple]]] = [
        (_TITLES[stat], [_table(comparison, stat)]) for stat in CLASS_STATS
    ]
    dagger = (
        f" † {base.label} has an IoU below 80 %: a minority class by the recall loss paper's rule."
        if base
        else ""
    )
    text = (
        "Classes by training frequency; head, medium and tail are the most, middle and least "
        f"frequent third. Percent, mean ± standard deviation over seeds.{dagger}"
    )
    return Section("classes", "Class by class", [Text(text), Choice("Score", options)])


def _table(comparison: Comparison, stat: str) -> Table:
    scores = comparison.class_scores
    table = scores[scores["stat"] == stat].pivot_table(
        index=["arm", "seed"], columns="class", values="value", dropna=False
    )
    found = intervals(comparison, table)
    total = max(1, sum(comparison.train_pixels))
    known = len(set(comparison.train_pixels)) > 1
    daggers = _daggers(comparison)
    rows = []
    for group, part in comparison.groups.items():
        for c in part:
            name = comparison.classes[c]
            share = comparison.train_pixels[c] / total
            row = [
                Cell(name + ("†" if name in daggers else "")),
                Cell(group, value=list(comparison.groups).index(group)),
                Cell(_share(100 * share) if known else "n/a", value=share),
            ]
            for arm in comparison.arms:
                values = table.loc[arm.label, name]
                mean = float(values.mean())
                mark = _mark(found.get((arm.label, name)))
                value = None if mean != mean else mean
                row.append(Cell(mean_sd(mean, float(values.std())), "", mark, value))
            rows.append(row)
    foot = []
    for group, part in comparison.groups.items():
        names = [comparison.classes[c] for c in part]
        row = [Cell(f"mean of {group}"), Cell(""), Cell("")]
        for arm in comparison.arms:
            means = table.loc[arm.label, names].mean(axis=1)
            row.append(Cell(mean_sd(float(means.mean()), float(means.std()))))
        foot.append(row)
    return Table(
        f"{_TITLES[stat]} per class, in percent.{_signs(comparison, len(found))}",
        ["class", "group", "training pixels %", *(arm.label for arm in comparison.arms)],
        rows,
        sortable=True,
        foot=foot,
        words=(1,),
    )


def _share(percent: float) -> str:
    return f"{percent:.1f}" if percent >= 1 else f"{percent:.2g}"


def _daggers(comparison: Comparison) -> set[str]:
    """Classes whose IoU is below 80 with the baseline."""
    if comparison.baseline is None:
        return set()
    rows = comparison.class_scores
    rows = rows[(rows["arm"] == comparison.baseline.label) & (rows["stat"] == "iou")]
    means = rows.groupby("class")["value"].mean()
    return {str(name) for name, mean in means.items() if mean < _EASY}


def intervals(
    comparison: Comparison, table: pd.DataFrame
) -> dict[tuple[str, str], tuple[float, float]]:
    """95 % intervals of differences to the baseline, by arm and class, of two or more seeds.

    Student's t over the pairs of seeds, all of which must have the score.
    """
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for arm in comparison.arms:
        against = opponent(comparison, arm)
        seeds = [seed for seed in arm.seeds if against and seed in against.seeds]
        if against is None or len(seeds) < 2:
            continue
        pairs = table.loc[arm.label].loc[seeds] - table.loc[against.label].loc[seeds]
        half = quantile(len(seeds) - 1) * pairs.std(skipna=False) / sqrt(len(seeds))
        mean = pairs.mean(skipna=False)
        found |= {
            (arm.label, str(name)): (float(mean[name] - half[name]), float(mean[name] + half[name]))
            for name in pairs.columns
            if mean[name] == mean[name]
        }
    return found


def _mark(interval: tuple[float, float] | None) -> Mark:
    """Better or worse where the interval excludes zero, as in the other tables."""
    low, high = interval or (0.0, 0.0)
    return "better" if low > 0 else "worse" if high < 0 else ""


def _signs(comparison: Comparison, cells: int) -> str:
    """What ▲ and ▼ say, and how many of them say nothing."""
    base = comparison.baseline
    if base is None or len(comparison.arms) < 2:
        return ""
    if not cells:
        return " Nothing is marked: that takes pairs of two seeds."
    return (
        " ▲ higher, ▼ lower than its reference where the 95 % interval of the difference excludes "
        f"zero (Student's t over pairs of seeds). The reference is {references(comparison)}. "
        "About 5 % of cells "
        f"are marked by chance alone, here {max(1, round(0.05 * cells))} of {cells}."
    )
