"""Draws learning curves, which show whether a loss learns sooner, ends better, or both."""

from collections.abc import Mapping
from functools import partial

import pandas as pd

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.learning import curve, final_of_baseline, first_reached, target
from lit_seg.analysis.run_groups import Method
from lit_seg.analysis.score_figures import plot_curves
from lit_seg.report.blocks import Block, Cell, Figure, Section, Table, Text
from lit_seg.report.formatting import method_table, outcome, outcome_word, percent
from lit_seg.report.images import draw_panel, text_width

_LISTED = 5  # seeds
_NOTE = (
    "The mark to reach is at least 10 %. **Start** is sooner if every seed reaches it before the "
    "first seed of the baseline does. **End** is the outcome of the first table. A curve is rough, "
    "so a first time is an early one. Learning rates fall over the whole of a training: compare a "
    "longer training by its end. Trainings of one length do not say whether the baseline would "
    "catch up."
)


def section(comparison: Comparison) -> Section | None:
    """Draw curves of two scores, and list when the baseline's last value is reached."""
    names = {stat: comparison.words.stats[stat] for stat in (comparison.words.main, "tail_recall")}
    curves = {stat: curve(comparison, stat) for stat in names}
    if not any(table.groupby("method")["step"].nunique().gt(1).any() for table in curves.values()):
        return None
    methods = comparison.methods
    usual = [method for method in methods if method.steps == methods[0].steps]
    budgets = {(method.loss, method.steps) for method in methods}
    several = [each for each in methods if sum(loss == each.loss for loss, _ in budgets) > 1]
    panels = []
    for drawn, note in ((usual, ""), (several, ", losses with several budgets")):
        for stat, name in names.items() if drawn else ():
            end = final_of_baseline(comparison, stat)
            plot = partial(plot_curves, comparison, curves[stat], drawn, target=end)
            right = 22 + text_width(method.label for method in drawn)
            panels.append(draw_panel(name + note, plot, 440, 290, right=right))
    caption = (
        "Mean over seeds, with a band from the lowest to the highest seed. Dotted: what the "
        "baseline ends with."
    )
    alt = "Validation score against optimizer steps"
    blocks: list[Block] = [Figure("learning", alt, caption, panels, columns=2)]
    if comparison.baseline is not None and len(methods) > 1:
        blocks += [_table(comparison, comparison.baseline, names), Text(_NOTE, "note")]
    return Section("learning", "Sooner or better?", blocks)


def _table(comparison: Comparison, base: Method, names: Mapping[str, str]) -> Table:
    reached = {stat: first_reached(comparison, stat) for stat in names}

    def cells(method: Method) -> list[Cell]:
        row = [Cell(str(method.steps), value=method.steps)]
        for stat, table in reached.items():
            steps = table.loc[table["method"] == method.label, "step"]
            first = table.loc[table["method"] == base.label, "step"].min()
            difference = comparison.difference(method.label, stat)
            mark, word = outcome(difference), outcome_word(difference)
            start = "baseline" if method is base else _start(steps, first)
            end = word or ("baseline" if difference is None else "n/a")
            row += [_reached(steps), Cell(start), Cell(end, mark=mark)]
        return row

    columns = ["steps trained"]
    for stat, name in names.items():
        columns += [f"reaches {name} {percent(target(comparison, stat))}", "start", "end"]
    caption = "Steps after which each seed first reaches what the baseline ends with"
    return method_table(comparison, caption, columns, cells, words=(3, 4, 6, 7))


def _reached(steps: "pd.Series[float]") -> Cell:
    """Write the steps of each seed, the earliest first; rows are sorted by the middle one."""
    ordered = sorted(steps.fillna(float("inf")))
    if not ordered:
        return Cell("n/a")
    each = ["never" if step == float("inf") else f"{step:.0f}" for step in ordered]
    if len(set(each)) == 1:
        text = f"{each[0]} in all" if len(each) > 1 else each[0]
    else:
        text = ", ".join(each) if len(each) <= _LISTED else f"{each[0]} to {each[-1]}"
    return Cell(text, value=float(ordered[(len(ordered) - 1) // 2]))


def _start(steps: "pd.Series[float]", first: float) -> str:
    """Say whether every seed reaches the target before the first seed of the baseline does."""
    there = bool(len(steps) and steps.notna().all())
    return "sooner" if there and (first != first or steps.max() < first) else "not sooner"
