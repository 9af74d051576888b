"""What is compared: runs grouped into arms, each one loss at one budget over its seeds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lit_seg.analysis.same_dataset import datasets
from lit_seg.errors import RunError
from lit_seg.runs.layout import VAL_IMAGES
from lit_seg.runs.run import Run, find_runs
from lit_seg.runs.summary import same_length

__all__ = ["Arm", "Run", "find_runs", "group"]


@dataclass(frozen=True)
class Arm:
    """One loss at one budget; ``label`` is unique in a comparison."""

    label: str
    loss: str
    data: str
    """Folders of one dataset at several budgets share a name, see ``datasets``."""
    model: str
    steps: int
    runs: tuple[Run, ...]
    """The finished ones, one per seed."""

    @property
    def seeds(self) -> list[int]:
        """Ascending."""
        return [run.seed for run in self.runs]


def group(runs: Sequence[Run], baseline: str) -> tuple[list[Arm], list[str]]:
    """Arms, those of the baseline first, and what a reader must know about the runs.

    Runs of a loss with different numbers of steps are different arms: the usual number has the
    label ``ce``, another ``ce, 3x``. So are those of several datasets or networks, whose names the
    labels have then. Of two finished runs of a seed the later attempt counts.

    Raises:
        RunError: if no run finished, or they were trained on other classes or pixels.
    """
    warnings = [
        f"**{run.name} is damaged and left out:** {run.damage}"
        if run.damage
        else f"{run.name} is not finished ({run.steps} steps) and left out"
        for run in runs
        if not run.finished
    ]
    finished = [run for run in runs if run.finished]
    if not finished:
        damaged = [f"{run.name} is damaged: {run.damage}" for run in runs if run.damage]
        why = f"; {damaged[0]}" if damaged else ", none has finished; wait, or resume them"
        raise RunError(f"{len(runs)} runs found{', none can be used' if damaged else ''}{why}")
    warnings += [sentence for run in finished if (sentence := run.stopped_early())]
    usual = _usual_steps(finished, baseline)
    data = datasets(finished)
    if len(several := sorted(set(data.values()))) > 1:
        warnings.append(
            f"**Runs of {len(several)} datasets or versions of one** ({', '.join(several)}): the "
            "labels tell them apart, and scores of one say nothing about those of another."
        )
    families = {(data[run.path], _network(run)) for run in finished}
    members: dict[str, dict[int, Run]] = {}
    for run in sorted(finished, key=lambda run: run.attempt):
        label = run.loss + _budget(run.steps, usual)
        if len(families) > 1:
            label += f" ({_family_name(data[run.path], run.model, families)})"
        seeds = members.setdefault(label, {})
        if run.seed in seeds:
            warnings.append(
                f"seed {run.seed} of {label} was run more than once; {run.name} counts"
                + _though(run, seeds[run.seed])
            )
        seeds[run.seed] = run
    warnings += [note for label, seeds in members.items() for note in _drop_uncounted(label, seeds)]
    arms = [_arm(label, seeds, usual, data) for label, seeds in members.items()]
    arms.sort(key=lambda arm: (arm.loss != baseline, arm.steps != usual, arm.label))
    of_baseline = {usual, *(arm.steps for arm in arms if arm.loss == baseline)}
    alone = [arm for arm in arms if not any(same_length(arm.steps, steps) for steps in of_baseline)]
    warnings += [
        f"**{arm.label} was trained for {arm.steps} steps**, the usual number is {usual}, and no "
        f"{baseline} has as many"
        for arm in alone
    ]
    return arms, warnings


def _though(run: Run, other: Run) -> str:
    """The options in which a run differs from the one that it replaces."""
    options = sorted(
        key for key in {*run.config, *other.config} if run.config.get(key) != other.config.get(key)
    )
    return f", which differs in {', '.join(options[:3])}" if options else ""


def _drop_uncounted(label: str, seeds: dict[int, Run]) -> list[str]:
    """Take out the seeds without counts per image where others have them, and tell which."""
    without = [seed for seed, run in seeds.items() if not (run.path / VAL_IMAGES).is_file()]
    if len(without) == len(seeds):
        return []
    return [
        f"**seed {seed} of {label} is left out:** no {VAL_IMAGES} in {seeds.pop(seed).name}, the "
        "other seeds have it"
        for seed in without
    ]


def _arm(label: str, seeds: Mapping[int, Run], usual: int, data: Mapping[Path, str]) -> Arm:
    runs = tuple(seeds[seed] for seed in sorted(seeds))
    first = runs[0]
    steps = first.steps if _budget(first.steps, usual) else usual
    return Arm(label, first.loss, data[first.path], first.model, steps, runs)


def _usual_steps(runs: Sequence[Run], baseline: str) -> int:
    """The number that most runs have, of the baseline if there are any; the smaller of equals."""
    losses: dict[int, set[str]] = {}
    for run in runs:
        losses.setdefault(run.steps, set()).add(run.loss)
    of_baseline = {run.steps for run in runs if run.loss == baseline} or set(losses)
    counts = Counter({steps: len(losses[steps]) for steps in of_baseline})
    return min(counts, key=lambda steps: (-counts[steps], steps))


def _budget(steps: int, usual: int) -> str:
    """How a number of steps is told, nothing for (nearly) the usual one."""
    ratio = steps / max(1, usual)
    if same_length(steps, usual):
        return ""
    return f", {ratio:.0f}x" if abs(ratio - round(ratio)) < 0.02 else f", {ratio:.2g}x"


def _network(run: Run) -> str:
    options = (run.config.get("model.architecture"), run.config.get("model.encoder"))
    return "/".join(map(str, options)) if all(options) else run.model


def _family_name(data: str, model: str, families: set[tuple[str, str]]) -> str:
    parts = []
    if len({other for other, _ in families}) > 1:
        parts.append(data)
    if len({other for _, other in families}) > 1:
        parts.append(model)
    return ", ".join(parts)
