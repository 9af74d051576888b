"""Which loss to pick, in words computed from the numbers, and what the numbers cannot say."""

import pandas as pd

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.run_groups import Arm
from lit_seg.metrics.scores import STAT_NAMES, STATS
from lit_seg.report.blocks import Block, Card, Cards, Cell, Points, Section, Table, Text
from lit_seg.report.sections.budgets import card_longer, with_more_steps
from lit_seg.report.sections.formatting import (
    interval,
    listed,
    mean_sd_cell,
    plural,
    points,
    references,
    score,
    shown,
)
from lit_seg.report.sections.limits import best, limits, sign, tied, warnings_of
from lit_seg.report.sections.tradeoff import card_price, elsewhere, it_pays, of_head, of_tail


def section(comparison: Comparison) -> Section:
    """The answer, the numbers behind it in one table, and its limits."""
    blocks: list[Block] = []
    if loud := warnings_of(comparison):
        blocks.append(Points(loud, "warning"))
    usual = [arm for arm in comparison.arms if arm.steps == comparison.arms[0].steps]
    if comparison.baseline is None or len(comparison.arms) < 2:
        blocks.append(Text(_alone(comparison), "lead"))
    else:
        blocks += _answer(comparison, usual)
    blocks.append(_table(comparison))
    blocks.append(Points(limits(comparison)))
    return Section("verdict", "Which loss to pick", blocks)


def _answer(comparison: Comparison, usual: list[Arm]) -> list[Block]:
    base = comparison.baseline
    assert base is not None
    top = best(comparison, usual, "miou")
    most = best(comparison, usual, "tail_recall")
    finder = most and _finder(comparison, usual, most)
    if top is None or most is None or finder is None:
        return [Text("No class was scored, so there is nothing to pick from.", "lead")]
    cards = [_card_miou(comparison, usual, top), _card_tail(comparison, usual, finder, most)]
    if finder.label != base.label:
        cards.append(card_price(comparison, finder))
    if longer := card_longer(comparison):
        cards.append(longer)
    return [*_words(comparison, usual, top, finder, most), Cards(cards)]


def _words(
    comparison: Comparison, usual: list[Arm], top: Arm, finder: Arm, most: Arm
) -> list[Block]:
    """Which to pick, which for the rare classes, and what more training shows."""
    if not comparison.differences["seeds"].max() > 1:
        text = (
            f"One seed per loss is a hint, no verdict: **{top.label}** has the highest mean IoU, "
            f"**{finder.label}** the highest tail recall."
        )
        return [Text(text, "lead")]
    free = _free(comparison, usual)
    found: list[Block] = [Text(_lead(comparison, usual, top, free), "lead")]
    if finder is not free and (text := _for_rare(comparison, usual, top, finder, most)):
        found.append(Text(text))
    if longer := with_more_steps(comparison):
        found.append(Text(" ".join(longer)))
    return found


def _lead(comparison: Comparison, usual: list[Arm], top: Arm, free: Arm | None) -> str:
    base = comparison.baseline
    assert base is not None
    above = [arm.label for arm in usual if sign(comparison, arm.label, "miou") > 0]
    if top.label in above:
        rare = {
            1: ", and finds more of the rare classes",
            0: "; whether it finds more of the rare classes is not clear",
            -1: ", but finds less of the rare classes",
        }[sign(comparison, top.label, "tail_recall")]
        others = [f"**{name}**" for name in tied(comparison, usual, top, "miou")]
        return (
            f"Pick **{top.label}**: it has the highest mean IoU, clearly above {base.label} "
            f"({shown(comparison, top.label, 'miou')}){rare}. {_pays(comparison, top.label)}"
            + (f" {listed(others)} cannot be told apart from it in mean IoU." if others else "")
        )
    if above:
        return (
            f"**{top.label}** has the highest mean IoU, but only {listed(above)} "
            f"{'is' if len(above) == 1 else 'are'} clearly above {base.label}."
        )
    if free is not None:
        return (
            f"Pick **{free.label}**: {_gain(comparison, free.label)}. Whether its mean IoU is "
            f"higher is not clear ({shown(comparison, free.label, 'miou')}). "
            + _pays(comparison, free.label)
        )
    return f"Stay with **{base.label}**: no loss clearly has a higher mean IoU."


def _for_rare(comparison: Comparison, usual: list[Arm], top: Arm, finder: Arm, most: Arm) -> str:
    """The loss that finds most of the tail, if it is clearly above the baseline."""
    if finder is top or sign(comparison, finder.label, "tail_recall") <= 0:
        return ""
    row = comparison.difference(finder.label, "tail_recall")
    assert row is not None
    others = [arm.label for arm in _alike(comparison, usual, most) if arm.label != finder.label]
    most_of = "finds most of them"
    if others:
        most_of = f"is not told apart from {listed(others)} in finding most of them"
    return (
        f"Where missing a rare class costs most, take **{finder.label}**: it {most_of} "
        f"(tail recall {shown(comparison, finder.label, 'tail_recall')} over {row['against']}). "
        f"{elsewhere(comparison, finder, most)}{_pays(comparison, finder.label, finder.label)}"
    )


def _finder(comparison: Comparison, usual: list[Arm], most: Arm) -> Arm:
    """Of the losses whose tail recall is not told apart from the highest, that of highest mIoU."""
    return best(comparison, _alike(comparison, usual, most), "miou") or most


def _alike(comparison: Comparison, usual: list[Arm], most: Arm) -> list[Arm]:
    """The highest tail recall, and what is clearly above the baseline and not told apart."""
    names = tied(comparison, usual, most, "tail_recall")
    return [
        arm
        for arm in usual
        if arm is most or (arm.label in names and sign(comparison, arm.label, "tail_recall") > 0)
    ]


def _pays(comparison: Comparison, label: str, who: str = "It") -> str:
    return f"{it_pays(comparison, label, who)} {of_head(comparison, label)}".strip()


def _gain(comparison: Comparison, label: str) -> str:
    """What is clearly better for the rare classes."""
    row = comparison.difference(label, "tail_recall")
    assert row is not None
    if row["real"] and row["value"] > 0:
        how, stat = "clearly finds more of the rare classes than", "tail_recall"
    else:
        how, stat = "clearly segments the rare classes better than", "tail_iou"
    found = f"{STAT_NAMES[stat]} {shown(comparison, label, stat)}; recall of each"
    return f"it {how} {row['against']} ({found}: {of_tail(comparison, label)})"


def _free(comparison: Comparison, usual: list[Arm]) -> Arm | None:
    """Of the losses with a clear gain on the tail and no clear loss that of the highest mIoU."""
    free = [
        arm
        for arm in usual
        if any(sign(comparison, arm.label, stat) > 0 for stat in ("tail_recall", "tail_iou"))
        and not any(sign(comparison, arm.label, stat) < 0 for stat in STATS)
    ]
    return best(comparison, free, "miou")


def _card_miou(comparison: Comparison, usual: list[Arm], top: Arm) -> Card:
    return Card(
        "Highest mean IoU",
        f"{top.label}, {score(comparison, top.label, 'miou')} %",
        _against(comparison, top.label, "miou") + _not_apart(comparison, usual, top, "miou"),
    )


def _card_tail(comparison: Comparison, usual: list[Arm], finder: Arm, most: Arm) -> Card:
    if finder.label == most.label:
        note = _not_apart(comparison, usual, most, "tail_recall")
    else:
        highest = score(comparison, most.label, "tail_recall")
        note = (
            f" {most.label} has {highest} %, not told apart; {finder.label} is named for its "
            "higher mean IoU."
        )
    return Card(
        "For the rare classes (tail recall)",
        f"{finder.label}, {score(comparison, finder.label, 'tail_recall')} %",
        _against(comparison, finder.label, "tail_recall") + note,
    )


def _not_apart(comparison: Comparison, usual: list[Arm], highest: Arm, stat: str) -> str:
    """Which losses are not told apart from the highest, and which one seed cannot judge."""
    alike = tied(comparison, usual, highest, stat)
    others = [arm for arm in usual if arm is not highest]
    alone = [arm.label for arm in others if len(set(arm.seeds) & set(highest.seeds)) < 2]
    text = f" Not told apart from it: {listed(alike)}." if alike else ""
    if alone and len(alone) < len(others):
        text += f" Too few common seeds to tell: {listed(alone)}."
    return text


def _alone(comparison: Comparison) -> str:
    if comparison.baseline is None:
        return (
            "There is no finished run of a baseline, so nothing here says whether this loss is "
            "better than another: train `LOSS=ce` on the same data and make the report again."
        )
    return "Only the baseline has finished runs: there is nothing to compare it with yet."


def _table(comparison: Comparison) -> Table:
    base = comparison.baseline
    arms = comparison.arms
    uneven = len({len(arm.runs) for arm in arms}) > 1
    rows = [
        [
            Cell(arm.label, plural(len(arm.runs), "seed") if uneven else ""),
            *(mean_sd_cell(comparison, arm.label, stat) for stat in STATS),
        ]
        for arm in arms
    ]
    against = (
        " Below: difference, of the same seeds, in points with its 95 % interval; ▲ better or "
        "▼ worse where that excludes zero over more than one pair of seeds. The reference is "
        f"{references(comparison)}. "
        "Differences of precision are over the classes that both predict, so they do not match "
        "the means; there is none without an interval."
        if base and len(arms) > 1
        else ""
    )
    tail = listed([comparison.classes[c] for c in comparison.tail])
    return Table(
        f"Mean ± standard deviation over seeds, in percent, on the validation images.{against} "
        f"Mean accuracy is the mean recall over classes; tail are the least frequent: {tail}.",
        ["loss", *(STAT_NAMES[stat] for stat in STATS)],
        rows,
        sortable=True,
        strong=[i for i, arm in enumerate(arms) if base and arm.loss == base.loss],
    )


def _against(comparison: Comparison, label: str, stat: str) -> str:
    row: pd.Series | None = comparison.difference(label, stat)
    if row is None:
        return "This is the baseline itself."
    if row["low"] != row["low"]:
        return f"{points(row['value'])} points over {row['against']}, without an interval."
    clear = "clear" if row["real"] else "not clear: the interval includes zero"
    if row["seeds"] == 1:
        clear = "of one pair of seeds"
    text = f"{interval(row)} points over {row['against']}, {clear}"
    if row["seeds"] > 1:
        text += f"; {row['same_sign']} of {row['seeds']} seeds agree in sign"
    return text + "."
