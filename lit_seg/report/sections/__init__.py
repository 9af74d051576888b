"""The sections of the report, one module each, in reading order."""

from lit_seg.analysis.comparison import Comparison
from lit_seg.report.blocks import Report
from lit_seg.report.sections import (
    classes,
    cost,
    learning,
    methods,
    pictures,
    sizes,
    tradeoff,
    trajectories,
    verdict,
)

_PARTS = (verdict, tradeoff, classes, learning, trajectories, pictures, sizes, cost, methods)


def build(comparison: Comparison) -> Report:
    """All parts that the runs have something for."""
    arms = comparison.arms
    losses = list(dict.fromkeys(arm.loss for arm in arms))
    what = "Losses compared" if len(losses) > 1 else f"Runs of {losses[0]}"
    data = ", ".join(dict.fromkeys(arm.data for arm in arms if arm.steps == arms[0].steps))
    models = ", ".join(dict.fromkeys(arm.model for arm in arms))
    seeds = sorted({len(arm.runs) for arm in arms})
    span = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0])
    number = comparison.images["image"].nunique()
    images = f", scored on {number} validation images" if number else ""
    subtitle = (
        f"{models}, {arms[0].steps} steps, {span} seed{'s' * (seeds[-1] > 1)} per loss{images}. "
        f"Losses: {', '.join(losses)}."
    )
    sections = [section for part in _PARTS if (section := part.section(comparison)) is not None]
    return Report(f"{what} on {data}", subtitle, sections)
