"""Sooner or better: what a larger number of steps shows."""

from lit_seg.analysis.comparison import Comparison
from lit_seg.analysis.scores import STAT_NAMES
from lit_seg.report.blocks import Card
from lit_seg.report.sections.wording import interval, listed, mark_of, score, shown

_MARKS = {"better": 1, "worse": -1}


def with_more_steps(comparison: Comparison) -> list[str]:
    """A sentence per loss of a larger budget and several pairs of seeds: sooner or better?"""
    base, usual = comparison.baseline, comparison.arms[0].steps
    assert base is not None
    found = []
    for arm in comparison.arms:
        row = comparison.difference(arm.label, "miou")
        if arm.loss == base.loss or arm.steps <= 1.02 * usual or row is None or row["seeds"] < 2:
            continue
        if row["against"] == base.label:  # of the usual budget: more steps and the loss at once
            continue
        rows = {stat: comparison.difference(arm.label, stat) for stat in ("miou", "tail_recall")}
        clear = {
            sign: [s for s in rows if _MARKS.get(mark_of(rows[s]), 0) == sign]
            for sign in (1, -1, 0)
        }
        head_start = f", so it is more than a head start of the first {usual} steps"
        parts = [
            f"clearly {word} {row['against']} in {_each(comparison, arm.label, clear[sign])}{so}"
            for sign, word, so in ((1, "above", head_start), (-1, "below", ""))
            if clear[sign]
        ]
        if clear[0]:
            where = _each(comparison, arm.label, clear[0])
            parts.append(f"not told apart from {row['against']} in {where}")
        text = f"With more training **{arm.label}** is {'; it is '.join(parts)}"
        if len(clear[0]) == 2:
            text += ": whether it ends better or only learns sooner is open"
        found.append(text + ".")
    longer = {arm.loss for arm in comparison.arms if arm.steps > 1.02 * usual}
    if found and (rest := [a.label for a in comparison.arms if a.loss not in longer]):
        found.append(f"That was not tried with {listed(rest)}.")
    return found


def _each(comparison: Comparison, label: str, stats: list[str]) -> str:
    return listed([f"{STAT_NAMES[stat]} ({shown(comparison, label, stat)})" for stat in stats])


def card_longer(comparison: Comparison) -> Card | None:
    """Of the arm with the highest mIoU among those of more steps than usual."""
    longer = [arm for arm in comparison.arms if arm.steps > 1.02 * comparison.arms[0].steps]
    means = comparison.mean_sd("miou")["mean"]
    scored = [arm for arm in longer if means[arm.label] == means[arm.label]]
    best = max(scored, key=lambda arm: means[arm.label], default=None)
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
        f"{best.label}, {score(comparison, best.label, 'miou')} % mean IoU",
        "; ".join(words) + ".",
    )
