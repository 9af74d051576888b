"""The sections of the report, one module each, in reading order."""

from lit_seg.analysis.comparison import Comparison
from lit_seg.report.blocks import Report
from lit_seg.report.formatting import plural
from lit_seg.report.sections import (
    classes,
    cost,
    decision,
    learning,
    methods,
    pictures,
    scores,
    sizes,
    trajectories,
)

_PARTS = (decision, scores, classes, learning, trajectories, pictures, sizes, cost, methods)


def build(comparison: Comparison) -> Report:
    """Build all parts for which the runs have data."""
    arms = comparison.arms
    losses = list(dict.fromkeys(arm.loss for arm in arms))
    what = "Losses compared" if len(losses) > 1 else f"Runs of {losses[0]}"
    data = ", ".join(dict.fromkeys(arm.data for arm in arms if arm.steps == arms[0].steps))
    models = ", ".join(dict.fromkeys(arm.model for arm in arms))
    least, *more = sorted({len(arm.runs) for arm in arms})
    seeds = f"{least} to {more[-1]} seeds" if more else plural(least, "seed")
    number = comparison.images["image"].nunique()
    images = f", scored on {number} validation images" if number else ""
    sections = (part.section(comparison) for part in _PARTS)
    return Report(
        f"{what} on {data}",
        f"{models}, {arms[0].steps} steps, {seeds} per loss{images}. Losses: {', '.join(losses)}.",
        [section for section in sections if section is not None],
    )
