"""What is compared: runs grouped into arms, each one loss at one budget over its seeds."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lit_seg.analysis.incomplete import drop_uncounted, short_runs
from lit_seg.analysis.run_configs import completed, content, flat, versions
from lit_seg.analysis.same_dataset import datasets
from lit_seg.errors import RunError
from lit_seg.runs.damage import Length, damage_of, length_of
from lit_seg.runs.layout import CONFIG, METRICS
from lit_seg.runs.length import alike
from lit_seg.runs.run_name import RunName, name_of_config, name_of_place, short_names

TABLE = "val_table.md"
"""Exists in a run that finished."""

# What differs between the runs of any comparison, or says where rather than what.
_OF_PLACE = re.compile(
    r"^(seed_everything|run_dir|trainer\.default_root_dir|ckpt_path|model\.loss(\..*)?"
    r"|data\.init_args\.(root|folder|num_workers)|.*\.dirpath|rank_timeout|trust(\..*)?)$"
)


@dataclass(frozen=True)
class Run:
    """One folder of a run."""

    path: Path
    name: str
    """As ``camvid/unet_resnet18/ce/seed0``, with more of its place where runs share that."""
    data: str
    model: str
    loss: str
    seed: int
    attempt: int
    """1, or k of a folder ``seed0-k``."""
    steps: int
    """Optimizer steps at its last row."""
    finished: bool
    """Whether it did; no damaged run counts as finished."""
    config: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Options with dotted names; without the loss, the seed and where things lie."""
    versions: str = ""
    damage: str = ""
    """Which file of a run that finished is damaged, and how; empty if none is."""
    readable: bool = True
    """Whether its configuration is; also if there is none."""
    short_of: str = ""
    """As ``6 of the 12 epochs of its config.yaml``; empty if it is as long as configured."""


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


def find_runs(sources: Sequence[str | Path]) -> list[Run]:
    """Every run in or below the folders, in an order that does not depend on where they lie.

    Raises:
        RunError: if a source is missing or holds no run.
    """
    folders: dict[Path, None] = {}
    for source in map(Path, sources):
        if not source.is_dir():
            raise RunError(f"{source}: no such folder; give folders of runs, such as runs/camvid")
        found = sorted(path.parent for path in source.rglob(METRICS))
        if not found:
            raise RunError(f"{source}: holds no run yet, no {METRICS} lies in or below it")
        folders |= dict.fromkeys(folder.resolve() for folder in found)
    contents = [content(folder / CONFIG) for folder in folders]
    names = [_name(folder, of or {}) for folder, of in zip(folders, contents, strict=True)]
    runs = [
        _read(*of_run) for of_run in zip(folders, contents, names, short_names(names), strict=True)
    ]
    return sorted(runs, key=lambda run: (run.name, run.steps, str(run.path)))


def _name(folder: Path, config: Mapping[str, Any]) -> RunName:
    name = name_of_place(folder.parts) or name_of_config(folder.parts, config)
    if name is None:
        raise RunError(
            f"{folder}: neither its path (<data>/<model>/<loss>/seed<k>) nor a {CONFIG} in it says "
            "which loss and seed it is of; leave it out"
        )
    return name


def _read(folder: Path, of: Mapping[str, Any] | None, name: RunName, short: str) -> Run:
    """What a folder says about its run, without its numbers."""
    attempt = folder.name.partition("-")[2]
    config = flat(of or {})
    over = (folder / TABLE).is_file()
    damage = damage_of(folder) if over else ""
    try:
        length = length_of(folder / METRICS)
    except RunError as error:
        length, damage = Length(), damage or str(error).replace(f"{folder}/", "")
    short_of = length.short_of(config) if over and length.steps else ""
    return Run(
        path=folder,
        name=short,
        data=name.data,
        model=name.model,
        loss=name.loss,
        seed=name.seed,
        attempt=int(attempt) if attempt.isdigit() else 1,
        steps=length.steps,
        finished=over and not damage,
        config={key: value for key, value in config.items() if not _OF_PLACE.match(key)},
        versions=versions(folder / CONFIG),
        damage=damage + (f" ({METRICS} ends after {short_of})" if damage and short_of else ""),
        readable=of is not None,
        short_of=short_of,
    )


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
    finished, notes = completed(finished)
    warnings += notes + short_runs(finished)
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
    warnings += [note for label, seeds in members.items() for note in drop_uncounted(label, seeds)]
    arms = [_arm(label, seeds, usual, data) for label, seeds in members.items()]
    arms.sort(key=lambda arm: (arm.loss != baseline, arm.steps != usual, arm.label))
    of_baseline = {usual, *(arm.steps for arm in arms if arm.loss == baseline)}
    alone = [arm for arm in arms if not any(alike(arm.steps, steps) for steps in of_baseline)]
    warnings += [
        f"**{arm.label} was trained for {arm.steps} steps**, the usual number is {usual}, and no "
        f"{baseline} has as many"
        for arm in alone
    ]
    return arms, warnings


def _though(run: Run, other: Run) -> str:
    """In what a run differs from the one that it replaces."""
    options = sorted(
        key for key in {*run.config, *other.config} if run.config.get(key) != other.config.get(key)
    )
    return f", which differs in {', '.join(options[:3])}" if options else ""


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
    if alike(steps, usual):
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
