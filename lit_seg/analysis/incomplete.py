"""Finished runs that lack something: steps that were configured, or counts per image."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lit_seg.runs.layout import CONFIG, METRICS, VAL_IMAGES
from lit_seg.runs.length import alike

if TYPE_CHECKING:
    from lit_seg.analysis.run_groups import Run


def short_runs(runs: Sequence["Run"]) -> list[str]:
    """Of finished runs that are shorter than configured, or than others so configured."""
    lines = []
    for run in runs:
        told = run.short_of
        longest = max(
            (other for other in runs if _length_options(other) == _length_options(run)),
            key=lambda other: other.steps,
            default=run,
        )
        if not told and run.steps < longest.steps and not alike(run.steps, longest.steps):
            told = f"{run.steps} steps, {longest.name} of the same {CONFIG} after {longest.steps}"
        if told:
            lines.append(
                f"{run.name} finished and its {METRICS} ends after {told}: it was stopped early, "
                "or the file is cut"
            )
    return lines


def _length_options(run: "Run") -> tuple[str | None, ...]:
    """Of a loss on its data, what sets the number of steps; nothing alike without it."""
    if not run.config:
        return (str(run.path),)
    options = ("trainer.max_steps", "trainer.max_epochs", "data.init_args.batch_size")
    return (run.data, run.model, run.loss, *(run.config.get(option) for option in options))


def drop_uncounted(label: str, seeds: dict[int, "Run"]) -> list[str]:
    """Take out the seeds without counts per image, where others have them; says which."""
    without = [seed for seed, run in seeds.items() if not (run.path / VAL_IMAGES).is_file()]
    if len(without) == len(seeds):
        return []
    return [
        f"**seed {seed} of {label} is left out:** no {VAL_IMAGES} in {seeds.pop(seed).name}, the "
        "other seeds have it"
        for seed in without
    ]
