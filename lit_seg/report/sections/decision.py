"""Which loss to choose: a table of outcomes, and a recommendation that follows fixed rules."""

from functools import partial

import pandas as pd

from lit_seg.analysis.comparison import OF_PRECISION, Comparison, paired
from lit_seg.analysis.run_groups import Arm
from lit_seg.analysis.settings import changes_training
from lit_seg.metrics.scores import STAT_NAMES, STATS
from lit_seg.report import texts
from lit_seg.report.blocks import Cell, Section, Table, Text
from lit_seg.report.formatting import (
    NBSP,
    arm_table,
    interval,
    listed,
    mean_sd,
    outcome,
    plural,
    score_cell,
)

DECISIVE = ("miou", "macc", "tail_recall", "tail_precision", "pixel_acc")
"""The scores of the decision table, in the order of its columns."""


def section(comparison: Comparison) -> Section:
    """The first part of the report: warnings, the recommendation, and the table behind it."""
    tail = listed([comparison.classes[c] for c in comparison.tail])
    return Section(
        "decision",
        "Which loss to pick",
        [
            *(Text(warning, "warning") for warning in warnings_of(comparison)),
            Text(" ".join(recommendation(comparison)), "lead"),
            score_table(comparison, DECISIVE, texts.DECISION_CAPTION),
            Text(texts.DECISION_NOTE.format(tail=tail), "note"),
        ],
    )


def warnings_of(comparison: Comparison) -> list[str]:
    """What may make the runs unfit to compare; differences of their settings come first."""
    found = []
    for option, values in comparison.settings.items():
        if changes_training(option):
            parts = [f"{value} ({listed(labels)})" for value, labels in values.items()]
            found.append(texts.SETTINGS_WARNING.format(option=option, values=" or ".join(parts)))
    return found + comparison.warnings


def score_table(comparison: Comparison, stats: tuple[str, ...], caption: str) -> Table:
    """A row per loss and budget, a column per score."""
    return arm_table(
        comparison,
        caption,
        [STAT_NAMES[stat] for stat in stats],
        lambda arm: [_score_cell(comparison, arm, stat) for stat in stats],
        partial(_compared_with, comparison),
    )


def _compared_with(comparison: Comparison, arm: Arm) -> str:
    """The number of seeds, and the reference where that is not the baseline."""
    row, base = comparison.difference(arm.label, "miou"), comparison.baseline
    seeds = plural(len(arm.runs), "seed")
    if row is None or base is None or row["against"] == base.label:
        return seeds
    return f"{seeds}, against {row['against']}"


def _score_cell(comparison: Comparison, arm: Arm, stat: str) -> Cell:
    """Mean and standard deviation over seeds; below them the outcome against the reference.

    Where some seeds have no such score, the cell tells how many seeds or pairs have one.
    """
    mean, sd, scored = (float(value) for value in comparison.mean_sd(stat).loc[arm.label])
    runs = len(arm.runs)
    notes = [f"{scored:.0f} of {plural(runs, 'seed')}"] if 0 < scored < runs else []
    row = comparison.difference(arm.label, stat)
    if row is not None:
        notes.append(_outcome_text(comparison, row))
    return score_cell(mean, sd, "; ".join(notes), outcome(row))


def _outcome_text(comparison: Comparison, row: pd.Series) -> str:
    """``better +9.1 [+3.3, +15.0]``, with the number of pairs where it is small."""
    if row["value"] != row["value"] or (row["stat"] in OF_PRECISION and row["low"] != row["low"]):
        return "n/a"  # a difference of precision without an interval hangs on a few pixels
    seeds = (set(comparison.arm(row[key]).seeds) for key in ("arm", "against"))
    pairs = len(set.intersection(*seeds))
    text = f"{outcome(row) or 'n/a'} {interval(comparison, row)}"
    if row["seeds"] == pairs > 1:
        return text
    number = plural(pairs, "pair") if row["seeds"] == pairs else f"{row['seeds']} of {pairs} pairs"
    return f"{text} ({number.replace(' ', NBSP)})"


def recommendation(comparison: Comparison) -> list[str]:
    """At most three sentences, by the first of these rules that applies.

    1. Without a baseline, or without another loss, there is nothing to recommend.
    2. Without an interval over seeds nothing is recommended; the highest mean IoU is named.
    3. Of the losses whose mean IoU is shown to be better than the baseline's at the usual budget,
       the one with the highest mean is recommended, and losses that are tied with it are named.
    4. Otherwise no loss is shown to be better. The loss with the highest tail recall of those
       that are shown to be better in it is named for readers who need the rare classes most.

    The second sentence gives the outcomes of the named loss in all scores, and so its price. The
    third names the best of the losses that are better at another budget.
    """
    base = comparison.baseline
    if base is None:
        return [texts.NO_BASELINE]
    candidates = [arm for arm in comparison.arms if _is_candidate(comparison, arm)]
    usual = [arm for arm in candidates if arm.steps == comparison.arms[0].steps]
    if not candidates:
        return [texts.ONLY_BASELINE.format(base=base.label)]
    if not any(_outcome(comparison, arm, "miou") for arm in candidates):
        top = _highest(comparison, [base, *candidates], "miou")
        highest = [texts.HIGHEST.format(**_words(comparison, top, "miou"))] if top else []
        return [texts.NO_INTERVAL.format(base=base.label), *highest]
    for stat, sentence in (("miou", texts.CHOOSE), ("tail_recall", texts.RARE)):
        if best := _best(comparison, usual, stat):
            tied = _tied_with(comparison, best, usual, stat)
            also = texts.TIED_WITH_IT.format(losses=listed(tied)) if tied else ""
            values = _words(comparison, best, stat)
            sentences = [sentence.format(**values, tied=also), _price(comparison, best)]
            break
    else:
        sentences = [texts.NONE_BETTER.format(base=base.label)]
    longer = [arm for arm in candidates if arm not in usual]
    if winner := _best(comparison, longer, "miou"):
        values = _words(comparison, winner, "miou")
        sentences.append(texts.OTHER_BUDGET.format(**values, steps=winner.steps))
    elif longer and best is None:
        sentences.append(texts.OTHER_BUDGET_NONE)
    return sentences


def _is_candidate(comparison: Comparison, arm: Arm) -> bool:
    """Whether a loss is compared with the baseline at the same budget and on the same data."""
    base, row = comparison.baseline, comparison.difference(arm.label, "miou")
    if base is None or row is None or arm.loss == base.loss:
        return False
    return arm.label.removeprefix(arm.loss) == str(row["against"]).removeprefix(base.loss)


def _outcome(comparison: Comparison, arm: Arm, stat: str) -> str:
    return outcome(comparison.difference(arm.label, stat))


def _best(comparison: Comparison, arms: list[Arm], stat: str) -> Arm | None:
    better = [arm for arm in arms if _outcome(comparison, arm, stat) == "better"]
    return _highest(comparison, better, stat)


def _highest(comparison: Comparison, arms: list[Arm], stat: str) -> Arm | None:
    means = comparison.mean_sd(stat)["mean"]
    scored = [arm for arm in arms if means[arm.label] == means[arm.label]]
    return max(scored, key=lambda arm: means[arm.label], default=None)


def _tied_with(comparison: Comparison, best: Arm, arms: list[Arm], stat: str) -> list[str]:
    """Labels of the losses whose score is not shown to differ from that of the best."""
    found = []
    for arm in arms:
        differences, seeds = paired(comparison, best, arm) if arm is not best else ([], [])
        if len(seeds) > 1 and not differences[STATS.index(stat)].is_real:
            found.append(arm.label)
    return found


def _words(comparison: Comparison, arm: Arm, stat: str) -> dict[str, str]:
    """The values that the sentences name."""
    mean, sd, _ = (float(value) for value in comparison.mean_sd(stat).loc[arm.label])
    words = {"loss": arm.label, "score": mean_sd(mean, sd)}
    row = comparison.difference(arm.label, stat)
    if row is not None:
        words |= {"reference": row["against"], "difference": interval(comparison, row)}
    return words


def _price(comparison: Comparison, arm: Arm) -> str:
    """The outcome of a loss in each score; intervals are given for what it is worse in."""
    names: dict[str, list[str]] = {mark: [] for mark in texts.OUTCOMES}
    for stat in DECISIVE:
        row, name = comparison.difference(arm.label, stat), STAT_NAMES[stat]
        mark = outcome(row)
        if row is not None and mark == "worse":
            name += f" ({interval(comparison, row)} points)"
        names[mark].append(name)
    outcomes = [f"{texts.OUTCOMES[mark]} in {listed(part)}" for mark, part in names.items() if part]
    reference = _words(comparison, arm, "miou")["reference"]
    return texts.PRICE.format(reference=reference, outcomes=listed(outcomes))
