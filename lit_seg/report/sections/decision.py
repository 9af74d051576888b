"""Shows which loss to choose: a table of outcomes, and a recommendation by fixed rules."""

from functools import partial

import pandas as pd

from lit_seg.analysis.comparison import Comparison, paired
from lit_seg.analysis.run_groups import Method, changes_training
from lit_seg.analysis.score_figures import plot_differences
from lit_seg.errors import plural
from lit_seg.metrics.scores import STATS
from lit_seg.metrics.task_words import few_of
from lit_seg.report.blocks import Block, Cell, Figure, Section, Table, Text
from lit_seg.report.formatting import (
    NBSP,
    interval,
    listed,
    mean_sd,
    method_table,
    outcome,
    outcome_word,
    score_cell,
)
from lit_seg.report.images import draw_panel, text_width

DECISIVE = ("miou", "macc", "tail_recall", "tail_precision", "pixel_acc")
"""The scores of the decision table, in the order of its columns."""
_DRAWN = ("miou", "macc", "tail_recall", "tail_precision")


def section(comparison: Comparison) -> Section:
    """Make the first part of the report: the recommendation, and the figure and table behind it."""
    caption = "Scores in percent, mean ± standard deviation over seeds, and their outcome"
    words, tail = comparison.words, few_of([comparison.classes[c] for c in comparison.tail])
    note = (
        "Plots: differences with their intervals; a full marker says that the interval excludes "
        "zero. Second line of a cell: difference in points to the baseline, or to the loss that "
        "the first column names, and its 95 % interval. ▲ **better**, ▼ **worse**: the interval "
        "excludes zero. **better?**, **worse?**: it excludes zero, which chance does as well where "
        "so many losses are compared (Holm's correction leaves p at 0.05 or above). ≈ **tied**: it "
        "includes zero, so the difference may be chance. **No interval**: one pair of seeds gives "
        "none, nor does a run without counts per image. Mean accuracy is the mean recall of all "
        f"classes. {words.groups} {words.rare.capitalize()} classes: {tail}. Precision is compared "
        "over the classes that both losses predict, so its differences do not match the means."
    )
    confounded = [
        f"**The runs differ in more than loss and seed:** `{option}` is "
        f"{' or '.join(f'{value} ({listed(labels)})' for value, labels in values.items())}. "
        "Differences between losses may come from that."
        for option, values in comparison.settings.items()
        if changes_training(option)
    ]
    blocks: list[Block] = [
        *(Text(warning, "warning") for warning in confounded),
        Text(" ".join(recommendation(comparison)), "lead"),
        *_forest(comparison),
        score_table(comparison, DECISIVE, caption),
        *(Text(warning, "warning") for warning in comparison.warnings),
        Text(note, "note"),
    ]
    return Section("decision", "Which loss to pick", blocks)


def _forest(comparison: Comparison) -> list[Figure]:
    """Draw the differences with their intervals, a panel per score; None without differences."""
    labels = comparison.differences["method"].unique()
    if not len(labels):
        return []
    height, left = 52 + 18 * len(labels), 14 + text_width(labels)
    plots = {
        comparison.words.stats[stat]: partial(plot_differences, comparison, stat) for stat in _DRAWN
    }
    panels = [draw_panel(name, plot, 245, height, left, 12) for name, plot in plots.items()]
    alt = "Differences of each loss to its reference with intervals"
    return [Figure("differences", alt, "", panels, columns=2)]


def score_table(comparison: Comparison, stats: tuple[str, ...], caption: str) -> Table:
    """Make the decision table: a row per loss and budget, a column per score."""

    def note(method: Method) -> str:
        row = comparison.difference(method.label, comparison.words.main)
        seeds = plural(len(method.runs), "seed")
        if row is None or row["against"] == comparison.methods[0].label:  # the baseline
            return seeds
        return f"{seeds}, against {row['against']}"

    return method_table(
        comparison,
        caption,
        [comparison.words.stats[stat] for stat in stats],
        lambda method: [_score_cell(comparison, method, stat) for stat in stats],
        note,
    )


def _score_cell(comparison: Comparison, method: Method, stat: str) -> Cell:
    """Write mean and standard deviation over seeds, and below them the outcome.

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
    """Write ``better +9.1 [+3.3, +15.0]``, with the number of pairs where it is small."""
    if row["value"] != row["value"]:
        return "n/a"
    text, mark = interval(row), outcome(row)
    text = f"{outcome_word(row)} {text}" if mark else f"{text}, no interval"
    seeds = (set(comparison.method(row[key]).seeds) for key in ("method", "against"))
    pairs = len(set.intersection(*seeds))
    if row["seeds"] == pairs > 1:
        return text
    number = plural(pairs, "pair") if row["seeds"] == pairs else f"{row['seeds']} of {pairs} pairs"
    return f"{text} ({number.replace(' ', NBSP)})"


def recommendation(comparison: Comparison) -> list[str]:
    """Write at most three sentences, by the first of these rules that applies.

    1. Without a baseline, or without another loss, there is nothing to recommend.
    2. Without an interval over seeds nothing is recommended; the highest mean IoU is named.
    3. Of the losses whose mean IoU is shown to be better than the baseline's at the usual budget,
       the one with the highest mean is recommended, and losses that are tied with it are named.
       Where only doubtful ones are there (``better?``), it is said that it may be better.
    4. Otherwise no loss is shown to be better. The loss with the highest tail recall of those
       that are shown to be better in it is named for readers who need the rare classes most.

    The second sentence gives the outcomes of the named loss in all scores, and so its price. The
    third names the best of the losses that are better at another budget.
    """
    base, main = comparison.baseline, comparison.words.main
    name = comparison.words.stats[main]
    if base is None:
        return [
            "No finished run of a baseline is there, so nothing says whether this loss is better "
            "than another one: train `LOSS=ce` on the same data and write the report again."
        ]
    candidates = [method for method in comparison.methods if _is_candidate(comparison, method)]
    if not candidates:
        return [f"There is no finished run of another loss to compare {base.label} with."]
    if not any(outcome(comparison.difference(each.label, main)) for each in candidates):
        sentences = [
            f"No loss can be recommended, because no difference in {name} to {base.label} has an "
            "interval over two or more seeds."
        ]
        if top := _highest(comparison, [base, *candidates], main):
            score = mean_sd(*comparison.mean_sd(main).loc[top.label, ["mean", "std"]])
            sentences.append(
                f"**{top.label}** has the highest {name} ({score} %), which may be chance."
            )
        return sentences
    usual = [method for method in candidates if method.steps == comparison.methods[0].steps]
    none_better = f"No loss is shown to have a better {name} than {base.label}"
    if best := _best(comparison, usual, main):
        first = f"{_named(comparison, best, usual, main, 'Choose')}."
    elif best := _best(comparison, usual, "tail_recall"):
        condition = "if the rare classes matter most, choose"
        first = f"{none_better}; {_named(comparison, best, usual, 'tail_recall', condition)}."
    else:
        first = f"{none_better}."
    sentences = [first, _price(comparison, best)] if best else [first]
    longer = [method for method in candidates if method not in usual]
    if winner := _best(comparison, longer, main):
        better = _named(comparison, winner, [], main)
        sentences.append(f"Trained for {plural(winner.steps, 'step')}, {better}.")
    elif longer and not best:
        sentences.append("Nor is any loss shown to be better at another number of steps.")
    return sentences


def _is_candidate(comparison: Comparison, method: Method) -> bool:
    """Whether a loss is compared with the baseline at the same budget and on the same data."""
    base = comparison.baseline
    row = comparison.difference(method.label, comparison.words.main)
    if base is None or row is None:
        return False
    if comparison.words.unit == "image":  # methods are compared, of which some share a loss
        return True
    if method.loss == base.loss:
        return False
    return method.label.removeprefix(method.loss) == str(row["against"]).removeprefix(base.loss)


def _best(comparison: Comparison, methods: list[Method], stat: str) -> Method | None:
    """Choose the highest of those that are better, if possible one whose outcome is certain."""
    words = {m.label: outcome_word(comparison.difference(m.label, stat)) for m in methods}
    for word in ("better", "better?"):
        if better := [method for method in methods if words[method.label] == word]:
            return _highest(comparison, better, stat)
    return None


def _named(
    comparison: Comparison, best: Method, others: list[Method], stat: str, choose: str = ""
) -> str:
    """Write ``Choose **recall**: it has a better mean IoU than ce``, or that it may have it."""
    row = comparison.difference(best.label, stat)
    assert row is not None
    score = (
        f"a better {comparison.words.stats[stat]} than {row['against']} ({interval(row)} points)"
    )
    tied = []
    for method in others:
        differences, seeds = paired(comparison, best, method) if method is not best else ([], [])
        if len(seeds) > 1 and not differences[STATS.index(stat)].is_real:
            tied.append(method.label)
    if tied:
        score += f", statistically tied with that of {listed(tied)}"
    if outcome_word(row) == "better?":
        chance = "where so many losses are compared, chance explains the difference as well"
        return f"**{best.label}** may have {score}; {chance}"
    return f"{choose} **{best.label}**{': it' if choose else ''} has {score}".strip()


def _highest(comparison: Comparison, methods: list[Method], stat: str) -> Method | None:
    means = comparison.mean_sd(stat)["mean"]
    scored = [method for method in methods if means[method.label] == means[method.label]]
    return max(scored, key=lambda method: means[method.label], default=None)


def _price(comparison: Comparison, method: Method) -> str:
    """Write the outcome of a loss in each score, with intervals where it is worse."""
    words = {"better": "better", "better?": "perhaps better", "worse": "**worse**"}
    words |= {"worse?": "perhaps **worse**", "tied": "tied", "": "not comparable"}
    names: dict[str, list[str]] = {word: [] for word in words}
    for stat in DECISIVE:
        row = comparison.difference(method.label, stat)
        assert row is not None
        points = f" ({interval(row)} points)" if outcome(row) == "worse" else ""
        names[outcome_word(row)].append(comparison.words.stats[stat] + points)
        against = row["against"]
    outcomes = [f"{words[word]} in {listed(of)}" for word, of in names.items() if of]
    return f"Against {against} it is {listed(outcomes)}."
