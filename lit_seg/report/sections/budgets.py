"""Sooner or better: what a larger number of steps shows."""

from lit_seg.analysis.comparison import Comparison
from lit_seg.metrics.scores import STAT_NAMES
from lit_seg.report.blocks import Card
from lit_seg.report.sections.formatting import interval, listed, mark_of, score, shown
from lit_seg.report.sections.tradeoff import of_head

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
        head_start = f", so that is more than a head start of the first {usual} steps"
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
        found.append(f"{text}. {of_head(comparison, arm.label)}".strip())
    longer = {arm.loss for arm in comparison.arms if arm.steps > 1.02 * usual}
    if found and (rest := [a.label for a in comparison.arms if a.loss not in longer]):
        found.append(f"That was not tried with {listed(rest)}.")
    return found + _first_train_longer(comparison, usual)


def _first_train_longer(comparison: Comparison, usual: int) -> list[str]:
    """Where the baseline trained longer is above every loss at the usual number of steps."""
    means = comparison.mean_sd("miou")["mean"]
    base = comparison.baseline
    own = [arm for arm in comparison.arms if arm.steps <= 1.02 * usual]
    longer = [a for a in comparison.arms if a not in own and base and a.loss == base.loss]
    top = max(own, key=lambda arm: means[arm.label])
    ahead = max(longer, key=lambda arm: means[arm.label], default=top)
    if not means[ahead.label] > means[top.label]:
        return []
    return [
        f"Longer training alone does much: {ahead.label} has a mean IoU of "
        f"{score(comparison, ahead.label, 'miou')} %, {top.label} after {usual} steps "
        f"{score(comparison, top.label, 'miou')} %."
    ]


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
