"""Learning curves: whether a loss learns sooner, ends better, or both."""

from functools import partial

import pandas as pd

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.learning import CURVES, curve, final_of_baseline, first_reached, target
from lit_seg.analysis.run_groups import Arm
from lit_seg.analysis.score_figures import plot_curves
from lit_seg.report import texts
from lit_seg.report.blocks import Block, Cell, Figure, Section, Table, Text
from lit_seg.report.formatting import arm_table, outcome, percent
from lit_seg.report.images import draw_panel

_LISTED = 5  # seeds


def section(comparison: Comparison) -> Section | None:
    """Curves of mIoU and tail recall, and the steps at which the baseline's end is reached."""
    curves = {stat: curve(comparison, stat) for stat in CURVES}
    if not any(table.groupby("arm")["step"].nunique().gt(1).any() for table in curves.values()):
        return None
    ends = {stat: final_of_baseline(comparison, stat) for stat in CURVES}
    usual = [arm for arm in comparison.arms if arm.steps == comparison.arms[0].steps]
    several = [arm for arm in comparison.arms if _has_budgets(comparison, arm)]
    panels = [
        draw_panel(
            name + note,
            partial(plot_curves, comparison, curves[stat], arms, target=ends[stat]),
            width=520,
            height=330,
            right=22 + 7 * max(len(arm.label) for arm in arms),
        )
        for arms, note in ((usual, ""), (several, ", losses with several budgets"))
        if arms
        for stat, name in CURVES.items()
    ]
    blocks: list[Block] = [
        Figure("learning", texts.CURVES_ALT, texts.CURVES_CAPTION, panels, columns=2)
    ]
    if comparison.baseline is not None and len(comparison.arms) > 1:
        blocks += [_table(comparison, comparison.baseline), Text(texts.REACHED_NOTE, "note")]
    return Section("learning", "Sooner or better?", blocks)


def _has_budgets(comparison: Comparison, arm: Arm) -> bool:
    return len({other.steps for other in comparison.arms if other.loss == arm.loss}) > 1


def _table(comparison: Comparison, base: Arm) -> Table:
    reached = {stat: first_reached(comparison, stat) for stat in CURVES}

    def cells(arm: Arm) -> list[Cell]:
        row = [Cell(str(arm.steps), value=arm.steps)]
        for stat, table in reached.items():
            steps = table.loc[table["arm"] == arm.label, "step"]
            first = table.loc[table["arm"] == base.label, "step"].min()
            row += [_reached(steps), _start(steps, first, arm is base)]
            difference = comparison.difference(arm.label, stat)
            mark = outcome(difference)
            row.append(Cell(mark or ("baseline" if difference is None else "n/a"), mark=mark))
        return row

    columns = ["steps trained"]
    for stat, name in CURVES.items():
        columns += [f"reaches {name} {percent(target(comparison, stat))}", "start", "end"]
    return arm_table(comparison, texts.REACHED_CAPTION, columns, cells, words=(3, 4, 6, 7))


def _reached(steps: "pd.Series[float]") -> Cell:
    """The steps of each seed, the earliest first; rows are sorted by the middle one."""
    ordered = sorted(steps.fillna(float("inf")))
    if not ordered:
        return Cell("n/a")
    each = ["never" if step == float("inf") else f"{step:.0f}" for step in ordered]
    if len(set(each)) == 1:
        text = f"{each[0]} in all" if len(each) > 1 else each[0]
    else:
        text = ", ".join(each) if len(each) <= _LISTED else f"{each[0]} to {each[-1]}"
    return Cell(text, value=float(ordered[(len(ordered) - 1) // 2]))


def _start(steps: "pd.Series[float]", first: float, is_baseline: bool) -> Cell:
    """Whether every seed is there before the first seed of the baseline is, if any ever is."""
    if is_baseline:
        return Cell("baseline")
    there = bool(len(steps) and steps.notna().all())
    return Cell("sooner" if there and (first != first or steps.max() < first) else "not sooner")
