"""Which loss to pick, in words computed from the numbers, and what the numbers cannot say."""

import pandas as pd

from lit_seg.analysis.arms import Arm
from lit_seg.analysis.comparison import Comparison, paired
from lit_seg.analysis.scores import STAT_NAMES, STATS
from lit_seg.report.blocks import Block, Card, Cards, Cell, Points, Section, Table, Text
from lit_seg.report.sections.limits import limits, warnings_of
from lit_seg.report.sections.wording import (
    interval,
    listed,
    mean_sd,
    mean_sd_cell,
    percent,
    plural,
    points,
)


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
    top = _best(comparison, usual, "miou")
    finder = _best(comparison, usual, "tail_recall")
    if top is None or finder is None:
        return [Text("No class was scored, so there is nothing to pick from.", "lead")]
    cards = [_card_miou(comparison, usual, top), _card_tail(comparison, usual, finder)]
    if finder.label != base.label:
        cards.append(_card_price(comparison, finder))
    if longer := _card_longer(comparison):
        cards.append(longer)
    return [Text(_lead(comparison, usual, top, finder), "lead"), Cards(cards)]


def _lead(comparison: Comparison, usual: list[Arm], top: Arm, finder: Arm) -> str:
    base = comparison.baseline
    assert base is not None
    above = [arm.label for arm in usual if _sign(comparison, arm.label, "miou") > 0]
    finders = [arm.label for arm in usual if _sign(comparison, arm.label, "tail_recall") > 0]
    one = comparison.differences["seeds"].max() == 1
    if one:
        return (
            f"One seed per loss is a hint, no verdict: **{top.label}** has the highest mean IoU, "
            f"**{finder.label}** the highest tail recall."
        )
    words = ""
    if top.label in above:
        words += f"Pick **{top.label}**: it has the highest mean IoU, clearly above {base.label}"
        words += (
            f", and finds more of the rare classes. {_it_pays(comparison, top.label)}"
            if top.label in finders
            else "; whether it finds more of the rare classes is not clear."
        )
        tied = _tied(comparison, usual, top, "miou")
        if tied:
            words += f" {listed([f'**{name}**' for name in tied])} cannot be told apart from it."
    elif above:
        words += (
            f"**{top.label}** has the highest mean IoU, but only {listed(above)} "
            f"{'is' if len(above) == 1 else 'are'} clearly above {base.label}."
        )
    elif (free := _free(comparison, usual)) is not None:
        words += (
            f"Pick **{free.label}**: it clearly finds more of the rare classes than {base.label}, "
            "and no score of it is clearly lower. Whether its mean IoU is higher is not clear."
        )
    else:
        words += f"Stay with **{base.label}**: no loss clearly has a higher mean IoU."
    if finder.label not in (top.label, base.label) and finder.label in finders:
        words += (
            f" **{finder.label}** finds most of the rare classes, for where missing them costs "
            f"most. {_it_pays(comparison, finder.label)}"
        )
    return words


def _free(comparison: Comparison, usual: list[Arm]) -> Arm | None:
    """Of the losses with a clear gain on the tail and no clear loss that of the highest mIoU."""
    free = [
        arm
        for arm in usual
        if any(_sign(comparison, arm.label, stat) > 0 for stat in ("tail_recall", "tail_iou"))
        and not any(_sign(comparison, arm.label, stat) < 0 for stat in STATS)
    ]
    return _best(comparison, free, "miou")


def _it_pays(comparison: Comparison, label: str) -> str:
    """Its two largest clear losses, in a sentence."""
    paid = [
        f"{points(-row['value']).removeprefix('+')} points of {name}"
        for name, row in _price(comparison, label)[:2]
    ]
    return f"It pays with {listed(paid)}." if paid else "No price for that is clear."


def _price(comparison: Comparison, label: str) -> "list[tuple[str, pd.Series]]":
    """Scores that are clearly lower than the baseline's, the largest loss first."""
    found = []
    for stat in ("miou", "mprec", "pixel_acc", "tail_precision"):
        row = comparison.difference(label, stat)
        if row is not None and row["real"] and row["value"] < 0:
            found.append((STAT_NAMES[stat], row))
    return sorted(found, key=lambda pair: float(pair[1]["value"]))


def _card_miou(comparison: Comparison, usual: list[Arm], top: Arm) -> Card:
    others = _tied(comparison, usual, top, "miou")
    note = f" Not told apart from it: {listed(others)}." if others else ""
    return Card(
        "Highest mean IoU",
        f"{top.label}, {_mean(comparison, top.label, 'miou')} %",
        _against(comparison, top.label, "miou") + note,
    )


def _card_tail(comparison: Comparison, usual: list[Arm], finder: Arm) -> Card:
    others = _tied(comparison, usual, finder, "tail_recall")
    note = f" Not told apart from it: {listed(others)}." if others else ""
    return Card(
        "Finds most of the rare classes (tail recall)",
        f"{finder.label}, {_mean(comparison, finder.label, 'tail_recall')} %",
        _against(comparison, finder.label, "tail_recall") + note,
    )


def _card_price(comparison: Comparison, finder: Arm) -> Card:
    base = comparison.baseline
    assert base is not None
    price = _price(comparison, finder.label)
    answer = f"{points(price[0][1]['value'])} points of {price[0][0]}" if price else "nothing clear"
    words = [f"{name} {interval(row)}" for name, row in price]
    text = f"Clearly lower than {base.label}: {'; '.join(words)}. " if words else ""
    right, of_base = (
        _mean(comparison, label, "tail_precision") for label in (finder.label, base.label)
    )
    text += f"Tail precision is {right} % ({base.label}: {of_base} %)."
    return Card(f"What {finder.label} pays for it", answer, text)


def _card_longer(comparison: Comparison) -> Card | None:
    """Of the arm with the highest mIoU among those of more steps than usual."""
    longer = [arm for arm in comparison.arms if arm.steps > 1.02 * comparison.arms[0].steps]
    best = _best(comparison, longer, "miou")
    if best is None:
        return None
    words = []
    for arm in longer:
        row = comparison.difference(arm.label, "miou")
        if row is not None:
            clear = "clear" if row["real"] else "not clear"
            words.append(f"{arm.label} is {interval(row)} over {row['against']} ({clear})")
    return Card(
        "With more training",
        f"{best.label}, {_mean(comparison, best.label, 'miou')} % mean IoU",
        "; ".join(words) + ".",
    )


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
        f" Below: difference to {base.loss} of the same seeds and steps, in points, with its 95 % "
        "interval; ▲ better or ▼ worse where that excludes zero."
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


def _best(comparison: Comparison, arms: list[Arm], stat: str) -> Arm | None:
    means = comparison.mean_sd(stat)["mean"]
    scored = [arm for arm in arms if means[arm.label] == means[arm.label]]
    return max(scored, key=lambda arm: means[arm.label], default=None)


def _tied(comparison: Comparison, arms: list[Arm], best: Arm, stat: str) -> list[str]:
    """Arms whose interval to the best does not exclude zero."""
    tied = []
    for arm in arms:
        if arm.label == best.label:
            continue
        found, seeds = paired(comparison, best, arm)
        if len(seeds) < 2 or not found[STATS.index(stat)].is_real:
            tied.append(arm.label)
    return tied


def _sign(comparison: Comparison, label: str, stat: str) -> int:
    """1 or -1 where a difference is clear, else 0."""
    row = comparison.difference(label, stat)
    if row is None or not row["real"]:
        return 0
    return 1 if row["value"] > 0 else -1


def _mean(comparison: Comparison, label: str, stat: str) -> str:
    row = comparison.mean_sd(stat).loc[label]
    return mean_sd(float(row["mean"]), float(row["std"])) if len(row) else percent(float("nan"))


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
