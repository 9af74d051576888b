"""Gains and price: what a loss pays, in words, differences as a picture, accuracy and mIoU."""

from functools import partial

import pandas as pd

from lit_seg.analysis.comparison import Comparison, paired
from lit_seg.analysis.run_groups import Arm
from lit_seg.analysis.score_figures import plot_differences, plot_scatter
from lit_seg.metrics.scores import STAT_NAMES, STATS
from lit_seg.report.blocks import Block, Card, Figure, Panel, Section, Text
from lit_seg.report.sections.classes import intervals
from lit_seg.report.sections.formatting import (
    interval,
    listed,
    of_pairs,
    percent,
    plural,
    points,
    references,
    score,
)

_SHOWN = ("miou", "macc", "tail_recall", "tail_precision")


def section(comparison: Comparison) -> Section:
    """What is gained and what is paid."""
    blocks: list[Block] = []
    if len(comparison.differences):
        number = comparison.differences["arm"].nunique()
        names = max(len(str(label)) for label in comparison.differences["arm"])
        panels = [
            Panel(
                STAT_NAMES[stat],
                partial(plot_differences, comparison, stat),
                width=268,
                height=56 + 26 * number,
                left=14 + 7 * names,
                right=12,
            )
            for stat in _SHOWN
        ]
        blocks.append(
            Figure(
                "differences",
                f"Difference in points to the baseline, {references(comparison)}, with its 95 % "
                "interval over seeds and images. A full marker: it excludes zero, over more than "
                "one pair of seeds. Tail precision is compared over the classes that both predict; "
                "no value where there is none, or no interval.",
                "Differences of each loss to the baseline with intervals",
                panels,
                columns=2,
            )
        )
    blocks.append(
        Figure(
            "scatter",
            "Each small point is a seed, the large one their mean, the ellipse one standard "
            "deviation. Up is more of each class found; right is also fewer false alarms: a loss "
            "that goes up and left buys recall with precision.",
            "Mean accuracy against mean IoU, a point per seed and an ellipse per loss.",
            [Panel("", partial(plot_scatter, comparison), width=640, height=430, right=70)],
        )
    )
    blocks.append(Text("As Fig. 2 and 3 of the recall loss paper (arXiv 2106.14917).", "note"))
    return Section("tradeoff", "Gains and price", blocks)


def card_price(comparison: Comparison, finder: Arm) -> Card:
    """Its clear losses, its tail precision, and the head class that pays most."""
    price = _price(comparison, finder.label)
    row = comparison.difference(finder.label, "pixel_acc")
    question = f"What {finder.label} pays for it"
    head = of_head(comparison, finder.label)
    if row is not None and row["seeds"] == 1:
        parts = sorted(_of_price(comparison, finder.label), key=lambda pair: pair[1]["value"])
        lost = [
            f"{name} {interval(part)}"
            for name, part in parts
            if part["seeds"] == 1 and part["value"] < 0
        ]
        on_these = f"{'; '.join(lost)} against {row['against']}" if lost else "nothing is lower"
        text = f"On these images {on_these}. {head}".strip()
        return Card(question, "one seed: cannot be called clear", text)
    answer = (
        f"{points(price[0][1]['value'])} points of {price[0][0]}"
        if price
        else "no overall score clearly"
    )
    words = [f"{name} {interval(row)}" for name, row in price]
    text = (
        f"Clearly lower than {price[0][1]['against']}: {'; '.join(words)}."
        if price
        else _may_cost(comparison, finder.label)
    )
    return Card(question, answer, " ".join(filter(None, [text, head, _right(comparison, finder)])))


def it_pays(comparison: Comparison, label: str, who: str = "It") -> str:
    """Its two largest clear losses, in a sentence; without one, what it may cost."""
    paid = [
        f"{points(-row['value']).removeprefix('+')} points of {name}"
        for name, row in _price(comparison, label)[:2]
    ]
    return f"{who} pays with {listed(paid)}." if paid else _may_cost(comparison, label)


def of_head(comparison: Comparison, label: str) -> str:
    """The frequent class that loses most IoU, in a sentence, and the others that clearly do."""
    row = comparison.difference(label, "miou")
    if row is None:
        return ""
    against = comparison.arm(row["against"])
    seeds = [seed for seed in comparison.arm(label).seeds if seed in against.seeds]
    rows = comparison.class_scores
    table = rows[rows["stat"] == "iou"].pivot_table(
        index=["arm", "seed"], columns="class", values="value", dropna=False
    )
    names = [comparison.classes[c] for c in comparison.groups["head"]]
    ours, theirs = (table.loc[name].loc[seeds, names].mean() for name in (label, against.label))
    lost = (ours - theirs).sort_values()
    clear = {name for (arm, name), (_, high) in intervals(comparison, table).items()
             if arm == label and high < 0}  # fmt: skip
    falls = [str(name) for name in lost.index if lost[name] < 0]
    if not falls:
        return ""

    def change(name: str) -> str:
        return f"{percent(theirs[name])} to {percent(ours[name])} %"

    sure = "clear" if falls[0] in clear else "one seed" if len(seeds) == 1 else "not clear"
    text = f"Of the frequent classes {falls[0]} loses most IoU ({change(falls[0])}, {sure})"
    others = [f"{name} ({change(name)})" for name in falls[1:] if name in clear]
    if others:
        text += f"; the drop of {listed(others)} is {'also ' * (sure == 'clear')}clear"
    return f"{text}."


def of_tail(comparison: Comparison, label: str) -> str:
    """Recall of each rare class, of the reference and of a loss: one class may be all of it."""
    row = comparison.difference(label, "tail_recall")
    assert row is not None
    means = comparison.class_scores.query("stat == 'recall'").groupby(["arm", "class"])["value"]
    recall = means.mean()
    names = [comparison.classes[c] for c in comparison.tail]
    gains = {name: recall[label, name] - recall[row["against"], name] for name in names}
    parts = [
        f"{name} {percent(recall[row['against'], name])} to {percent(recall[label, name])} %"
        for name in sorted(names, key=lambda name: -gains[name])
    ]
    return listed(parts)


def elsewhere(comparison: Comparison, finder: Arm, most: Arm) -> str:
    """Why not the loss with the highest tail recall, in numbers."""
    if finder.label == most.label:
        return ""
    stats = ("miou", "tail_iou", "tail_precision", "pixel_acc")
    means = {stat: comparison.mean_sd(stat)["mean"] for stat in stats}
    found, seeds = paired(comparison, finder, most)
    better = [s for s in stats if means[s][finder.label] > means[s][most.label]]
    if not found[STATS.index("tail_precision")].value > 0:  # on the classes that both predict
        better = [s for s in better if s != "tail_precision"]
    clear = [STAT_NAMES[s] for s in better if found[STATS.index(s)].is_real]
    numbers = [
        f"{STAT_NAMES[s]} ({percent(means[s][finder.label])} against "
        f"{percent(means[s][most.label])} %)"
        for s in better
    ]
    sure = f"clear in {listed(clear)}" if clear else "none of it clear"
    return (
        f"{most.label} has a higher mean tail recall "
        f"({score(comparison, most.label, 'tail_recall')} against "
        f"{score(comparison, finder.label, 'tail_recall')} %), {finder.label} a higher "
        f"{listed(numbers)}, {sure} over {plural(len(seeds), 'pair')} of seeds. "
    )


def _right(comparison: Comparison, finder: Arm) -> str:
    """Tail precision, and against the baseline on the classes that both predict."""
    text = f"Tail precision is {score(comparison, finder.label, 'tail_precision')} %; "
    row = comparison.difference(finder.label, "tail_precision")
    if row is None or row["value"] != row["value"]:
        return text + "too little of the tail is predicted by both to compare it."
    text += f"on the classes that both predict {interval(row)} points"
    sure = "clear" if row["real"] else "not clear" if row["seeds"] > 1 else "which is one seed"
    return f"{text}{of_pairs(comparison, row)}, {sure}."


def _price(comparison: Comparison, label: str) -> "list[tuple[str, pd.Series]]":
    """Scores that are clearly lower than the baseline's, the largest loss first."""
    rows = _of_price(comparison, label)
    found = [(name, row) for name, row in rows if row["real"] and row["value"] < 0]
    return sorted(found, key=lambda pair: float(pair[1]["value"]))


def _may_cost(comparison: Comparison, label: str) -> str:
    """The largest loss that no interval excludes: not clear is not none."""
    rows = _of_price(comparison, label)
    known = [(name, row) for name, row in rows if row["seeds"] > 1 and row["low"] == row["low"]]
    below = [(name, row) for name, row in known if row["low"] < 0]
    text = "No overall score is clearly lower."
    if below:
        name, row = min(below, key=lambda pair: float(pair[1]["low"]))
        most = points(-row["low"]).removeprefix("+")
        text += f" What it may cost: up to {most} points of {name}, as far as intervals tell."
    unknown = [name for name, _ in rows if name not in {name for name, _ in known}]
    if unknown:
        text += f" {listed(unknown).capitalize()} cannot be judged: too few seeds have a value."
    return text


def _of_price(comparison: Comparison, label: str) -> "list[tuple[str, pd.Series]]":
    """The scores that a gain on rare classes is paid with."""
    rows = [
        (STAT_NAMES[stat], comparison.difference(label, stat))
        for stat in ("miou", "mprec", "pixel_acc", "tail_precision")
    ]
    return [(name, row) for name, row in rows if row is not None]
