"""Learning curves: whether a loss learns sooner, ends better, or both."""

from functools import partial

import pandas as pd

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.learning import CURVES, LEAST, curve, final_of_baseline, first_reached, target
from lit_seg.analysis.run_groups import Arm
from lit_seg.analysis.score_figures import plot_curves
from lit_seg.report.blocks import Block, Cell, Figure, Panel, Section, Table, Text
from lit_seg.report.sections.formatting import percent, references

_LISTED = 5  # seeds


def section(comparison: Comparison) -> Section | None:
    """Curves of mIoU and tail recall, and the steps at which the baseline's end is reached."""
    curves = {stat: curve(comparison, stat) for stat in CURVES}
    if all(table.groupby("arm")["step"].nunique().max() in (None, 1) for table in curves.values()):
        return None
    base = comparison.baseline
    usual = [arm for arm in comparison.arms if arm.steps == comparison.arms[0].steps]
    several = [arm for arm in comparison.arms if len(_budgets(comparison, arm)) > 1]
    panels = [
        _panel(comparison, curves[stat], stat, arms, note)
        for arms, note in ((usual, ""), (several, ", losses with several budgets"))
        if arms
        for stat in CURVES
    ]
    blocks: list[Block] = [
        Figure(
            "learning",
            "Mean over seeds, with a band from the lowest to the highest seed."
            + (f" Dotted: what {base.label} ends with." if base else ""),
            "Validation score against optimizer steps",
            panels,
            columns=2,
        )
    ]
    if base is not None and len(comparison.arms) > 1:
        blocks += [_table(comparison), Text(_reading(comparison), "note")]
    return Section("learning", "Sooner or better?", blocks)


def _panel(
    comparison: Comparison, curves: pd.DataFrame, stat: str, arms: list[Arm], note: str
) -> Panel:
    labels = max(len(arm.label) for arm in arms)
    return Panel(
        CURVES[stat] + note,
        partial(plot_curves, comparison, curves, arms, target=final_of_baseline(comparison, stat)),
        width=520,
        height=330,
        right=22 + 7 * labels,
    )


def _table(comparison: Comparison) -> Table:
    base = comparison.baseline
    assert base is not None
    reached = {stat: first_reached(comparison, stat) for stat in CURVES}
    rows = []
    for arm in comparison.arms:
        row = [Cell(arm.label), Cell(str(arm.steps), value=arm.steps)]
        for stat in CURVES:
            table = reached[stat]
            steps = table.loc[table["arm"] == arm.label, "step"]
            own = table.loc[table["arm"] == base.label, "step"]
            row.append(_reached(steps))
            row.append(Cell(_word(comparison, arm, stat, steps, own)))
        rows.append(row)
    columns = ["loss", "steps trained"]
    for stat, name in CURVES.items():
        end = percent(target(comparison, stat))
        columns += [f"reaches {name} {end}", "so it"]
    return Table(
        f"Steps after which each seed of a loss first reaches what {base.label} ends with "
        f"(or {100 * LEAST:.0f} %, if that is more)",
        columns,
        rows,
        sortable=True,
        words=(3, 5),
        strong=[i for i, arm in enumerate(comparison.arms) if arm.loss == base.loss],
    )


def _reached(steps: "pd.Series") -> Cell:
    """Of each seed, the earliest first; sorted by the middle one."""
    ordered = sorted(steps.fillna(float("inf")))
    texts = ["never" if step == float("inf") else f"{step:.0f}" for step in ordered]
    if len(set(texts)) == 1:
        text = f"{texts[0]} in all" if len(texts) > 1 else texts[0]
    else:
        text = ", ".join(texts) if len(texts) <= _LISTED else f"{texts[0]} to {texts[-1]}"
    return Cell(text, value=float(ordered[(len(ordered) - 1) // 2]))


def _word(comparison: Comparison, arm: Arm, stat: str, steps: "pd.Series", own: "pd.Series") -> str:
    """Sooner: every seed is there before the earliest of the baseline is."""
    row = comparison.difference(arm.label, stat)
    if row is None:
        return "is the baseline"
    first = own.dropna().min()
    sooner = bool(steps.notna().all() and (first != first or (steps < first).all()))
    better = "ends better" if row["real"] and row["value"] > 0 else ""
    worse = "ends worse" if row["real"] and row["value"] < 0 else ""
    words = ["learns sooner"] if sooner else []
    if better or worse:
        words.append(better or worse)
    against = (
        ""
        if row["against"] == (comparison.baseline.label if comparison.baseline else "")
        else f" than {row['against']}"
    )
    return (" and ".join(words) + (against if better or worse else "")) or "is not told apart"


def _reading(comparison: Comparison) -> str:
    steps = {arm.steps for arm in comparison.arms}
    text = (
        "**Learns sooner**: all its seeds are there before the first seed of the baseline is. "
        "**Ends better**: the interval of its final difference excludes zero; "
        f"the reference is {references(comparison)}. Some of the baseline's own seeds "
        "never reach their mean. A validation curve is rough, so a first time is an early one."
    )
    if len(steps) > 1:
        text += (
            " Learning rates fall over the whole of a training, so a longer one is slower at the "
            "same step: compare its end."
        )
    else:
        text += (
            " All were trained equally long, so this does not say whether the baseline would catch "
            "up with more steps."
        )
    return text


def _budgets(comparison: Comparison, arm: Arm) -> set[int]:
    return {other.steps for other in comparison.arms if other.loss == arm.loss}
