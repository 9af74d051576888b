"""IoU, recall and precision of each class, against the baseline."""

import numpy as np

from lit_seg.analysis.comparison import CLASS_STATS, Comparison, opponent
from lit_seg.report.blocks import Cell, Choice, Mark, Section, Simple, Table, Text
from lit_seg.report.sections.wording import mean_sd

_EASY = 0.8  # IoU of the baseline: the recall loss paper's mark, Tables 2 and 3
_LEAST = 0.005  # half a point: less is nothing to look at
_TITLES = {"iou": "IoU", "recall": "Recall", "precision": "Precision"}


def section(comparison: Comparison) -> Section:
    """A table per score, one shown at a time."""
    base = comparison.baseline
    options: list[tuple[str, list[Simple]]] = [
        (_TITLES[stat], [_table(comparison, stat)]) for stat in CLASS_STATS
    ]
    sign = (
        f" ▲ ▼ mark what is better or worse than {base.loss} by more than half a point in every "
        "common seed."
        if base and len(comparison.arms) > 1
        else ""
    )
    dagger = (
        f" † {base.label} has an IoU below 80 %: a minority class by the recall loss paper's rule."
        if base
        else ""
    )
    text = (
        "Classes by training frequency; head, medium and tail are the most, middle and least "
        f"frequent third. Percent, mean ± standard deviation over seeds.{dagger}{sign}"
    )
    return Section("classes", "Class by class", [Text(text), Choice("Score", options)])


def _table(comparison: Comparison, stat: str) -> Table:
    scores = comparison.class_scores
    table = scores[scores["stat"] == stat].pivot_table(
        index=["arm", "seed"], columns="class", values="value", dropna=False
    )
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
                mark = _mark(comparison, table[name], arm.label)
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
        f"{_TITLES[stat]} per class, in percent",
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


def _mark(comparison: Comparison, scores: "object", label: str) -> Mark:
    """Of a class: whether every common seed agrees against the baseline."""
    arm = comparison.arm(label)
    against = opponent(comparison, arm)
    if against is None:
        return ""
    seeds = [seed for seed in arm.seeds if seed in against.seeds]
    differences = np.array(
        [scores[(label, seed)] - scores[(against.label, seed)] for seed in seeds]  # type: ignore[index]
    )
    if not len(differences) or np.isnan(differences).any():
        return ""
    if (differences > _LEAST).all():
        return "better"
    return "worse" if (differences < -_LEAST).all() else ""
