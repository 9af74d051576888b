"""Which loss to choose: a table of outcomes, and a recommendation that follows fixed rules."""

import pandas as pd

from lit_seg.analysis.comparison import Comparison, paired
from lit_seg.analysis.run_groups import Method, changes_training
from lit_seg.metrics.scores import STAT_NAMES, STATS
from lit_seg.report.blocks import Block, Cell, Section, Table, Text
from lit_seg.report.formatting import (
    NBSP,
    interval,
    listed,
    mean_sd,
    method_table,
    outcome,
    plural,
    score_cell,
)

DECISIVE = ("miou", "macc", "tail_recall", "tail_precision", "pixel_acc")
"""The scores of the decision table, in the order of its columns."""


def section(comparison: Comparison) -> Section:
    """The first part of the report: warnings, the recommendation, and the table behind it."""
    caption = "Scores in percent, mean ± standard deviation over seeds, and their outcome"
    tail = listed([comparison.classes[c] for c in comparison.tail])
    note = (
        "Second line: difference in points to the baseline, or to the loss that the first column "
        "names, and its 95 % interval. ▲ **better**, ▼ **worse**: the interval excludes zero. "
        "≈ **tied**: it includes zero, so the difference may be chance. **No interval**: one pair "
        "of seeds gives none, nor does a run without counts per image. Mean accuracy is the mean "
        f"recall of all classes. Tail: the least frequent third of the classes ({tail}). Precision "
        "is compared over the classes that both losses predict, so its differences do not match "
        "the means."
    )
    warnings = [
        f"**The runs differ in more than loss and seed:** `{option}` is "
        f"{' or '.join(f'{value} ({listed(labels)})' for value, labels in values.items())}. "
        "Differences between losses may come from that."
        for option, values in comparison.settings.items()
        if changes_training(option)
    ]
    blocks: list[Block] = [
        *(Text(warning, "warning") for warning in [*warnings, *comparison.warnings]),
        Text(" ".join(recommendation(comparison)), "lead"),
        score_table(comparison, DECISIVE, caption),
        Text(note, "note"),
    ]
    return Section("decision", "Which loss to pick", blocks)


def score_table(comparison: Comparison, stats: tuple[str, ...], caption: str) -> Table:
    """A row per loss and budget, a column per score."""

    def note(method: Method) -> str:
        row, seeds = comparison.difference(method.label, "miou"), plural(len(method.runs), "seed")
        if row is None or row["against"] == comparison.methods[0].label:  # the baseline
            return seeds
        return f"{seeds}, against {row['against']}"

    return method_table(
        comparison,
        caption,
        [STAT_NAMES[stat] for stat in stats],
        lambda method: [_score_cell(comparison, method, stat) for stat in stats],
        note,
    )


def _score_cell(comparison: Comparison, method: Method, stat: str) -> Cell:
    """Mean and standard deviation over seeds; below them the outcome against the reference.

    Where some seeds have no such score, the cell tells how many seeds or pairs have one.
    """
    mean, sd, scored = (float(value) for value in comparison.mean_sd(stat).loc[method.label])
    runs = len(method.runs)
    notes = [f"{scored:.0f} of {plural(runs, 'seed')}"] if 0 < scored < runs else []
    row = comparison.difference(method.label, stat)
    if row is not None:
        notes.append(_outcome_text(comparison, row))
    return score_cell(mean, sd, "; ".join(notes), outcome(row))


def _outcome_text(comparison: Comparison, row: pd.Series) -> str:
    """``better +9.1 [+3.3, +15.0]``, with the number of pairs where it is small."""
    if row["value"] != row["value"]:
        return "n/a"
    text, mark = interval(comparison, row), outcome(row)
    text = f"{mark} {text}" if mark else f"{text}, no interval"
    seeds = (set(comparison.method(row[key]).seeds) for key in ("method", "against"))
    pairs = len(set.intersection(*seeds))
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
        return [
            "No finished run of a baseline is there, so nothing says whether this loss is better "
            "than another one: train `LOSS=ce` on the same data and write the report again."
        ]
    candidates = [method for method in comparison.methods if _is_candidate(comparison, method)]
    if not candidates:
        return [f"There is no finished run of another loss to compare {base.label} with."]
    if not any(outcome(comparison.difference(each.label, "miou")) for each in candidates):
        sentences = [
            f"No loss can be recommended, because no difference in mean IoU to {base.label} has an "
            "interval over two or more seeds."
        ]
        if top := _highest(comparison, [base, *candidates], "miou"):
            score = mean_sd(*comparison.mean_sd("miou").loc[top.label, ["mean", "std"]])
            sentences.append(
                f"**{top.label}** has the highest mean IoU ({score} %), which may be chance."
            )
        return sentences
    usual = [method for method in candidates if method.steps == comparison.methods[0].steps]
    none_better = f"No loss is shown to have a better mean IoU than {base.label}"
    if best := _best(comparison, usual, "miou"):
        reference = _reference(comparison, best, usual, "miou")
        first = f"Choose **{best.label}**: its mean IoU is better than that of {reference}."
    elif best := _best(comparison, usual, "tail_recall"):
        reference = _reference(comparison, best, usual, "tail_recall")
        first = (
            f"{none_better}; if the rare classes matter most, choose **{best.label}**, whose tail "
            f"recall is better than that of {reference}."
        )
    else:
        first = f"{none_better}."
    sentences = [first, _price(comparison, best)] if best else [first]
    longer = [method for method in candidates if method not in usual]
    if winner := _best(comparison, longer, "miou"):
        sentences.append(
            f"Trained for {winner.steps} steps, **{winner.label}** has a better mean IoU than "
            f"{_reference(comparison, winner, [], 'miou')}."
        )
    elif longer and not best:
        sentences.append("Nor is any loss shown to be better at another number of steps.")
    return sentences


def _is_candidate(comparison: Comparison, method: Method) -> bool:
    """Whether a loss is compared with the baseline at the same budget and on the same data."""
    base, row = comparison.baseline, comparison.difference(method.label, "miou")
    if base is None or row is None or method.loss == base.loss:
        return False
    return method.label.removeprefix(method.loss) == str(row["against"]).removeprefix(base.loss)


def _best(comparison: Comparison, methods: list[Method], stat: str) -> Method | None:
    better = [m for m in methods if outcome(comparison.difference(m.label, stat)) == "better"]
    return _highest(comparison, better, stat)


def _highest(comparison: Comparison, methods: list[Method], stat: str) -> Method | None:
    means = comparison.mean_sd(stat)["mean"]
    scored = [method for method in methods if means[method.label] == means[method.label]]
    return max(scored, key=lambda method: means[method.label], default=None)


def _reference(comparison: Comparison, best: Method, others: list[Method], stat: str) -> str:
    """What a loss is better than, by how much, and which of the others are tied with it."""
    row = comparison.difference(best.label, stat)
    assert row is not None
    text = f"{row['against']} ({interval(comparison, row)} points)"
    tied = []
    for method in others:
        differences, seeds = paired(comparison, best, method) if method is not best else ([], [])
        if len(seeds) > 1 and not differences[STATS.index(stat)].is_real:
            tied.append(method.label)
    return text + (f", and statistically tied with that of {listed(tied)}" if tied else "")


def _price(comparison: Comparison, method: Method) -> str:
    """The outcome of a loss in each score; intervals are given for what it is worse in."""
    names: dict[str, list[str]] = {"better": [], "worse": [], "tied": [], "": []}
    for stat in DECISIVE:
        row = comparison.difference(method.label, stat)
        assert row is not None
        points = f" ({interval(comparison, row)} points)" if outcome(row) == "worse" else ""
        names[outcome(row)].append(STAT_NAMES[stat] + points)
        against = row["against"]
    words = {"worse": "**worse**", "": "not comparable"}
    outcomes = [f"{words.get(mark, mark)} in {listed(of)}" for mark, of in names.items() if of]
    return f"Against {against} it is {listed(outcomes)}."
