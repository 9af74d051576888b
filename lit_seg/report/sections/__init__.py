"""The sections of the report, one module each, in reading order."""

from lit_seg.analysis.comparison import Comparison
from lit_seg.errors import plural
from lit_seg.metrics.task_words import ALL_SHOWN
from lit_seg.report.blocks import Report
from lit_seg.report.sections import (
    class_trajectories,
    classes,
    decision,
    learning_curves,
    limits,
    pictures,
    size_effects,
    tradeoff,
    training_cost,
)

_PARTS = (
    *(decision, tradeoff, classes, learning_curves, class_trajectories, pictures),
    *(size_effects, training_cost, limits),
)


def build(comparison: Comparison) -> Report:
    """Build all parts for which the runs have data."""
    methods = comparison.methods
    losses = list(dict.fromkeys(method.loss for method in methods))
    what = "Losses compared" if len(losses) > 1 else f"Runs of {losses[0]}"
    usual = [method for method in methods if method.steps == methods[0].steps]
    data = ", ".join(dict.fromkeys(_with_recipe(method.data) for method in usual))
    models = ", ".join(dict.fromkeys(method.model for method in methods))
    least, *more = sorted({len(method.runs) for method in methods})
    seeds = f"{least} to {more[-1]} seeds" if more else plural(least, "seed")
    number = len(comparison.images)
    images = f", scored on {plural(number, 'validation image')}" if number else ""
    sections = (part.section(comparison) for part in _PARTS)
    return Report(
        f"{what} on {data}",
        f"{models}, {plural(usual[0].steps, 'step')}, {seeds} per loss{images}. "
        f"Losses: {', '.join(losses)}.",
        [section for section in sections if section is not None],
        {classes.CLASSES_CSV: classes.class_csv(comparison)}
        if len(comparison.classes) > ALL_SHOWN
        else {},
    )


def _with_recipe(data: str) -> str:
    """``camvid by the recipe recall_camvid`` for the folder ``camvid-recall_camvid``."""
    name, _, recipe = data.partition("-")
    return f"{name} by the recipe {recipe}" if recipe.endswith(f"_{name}") else data
