"""What is compared: runs grouped into arms, each one loss at one budget over its seeds."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lit_seg.analysis.run_name import RunName, name_of_config, name_of_place, short_names
from lit_seg.errors import RunError
from lit_seg.runs import CONFIG, METRICS

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
    config: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Options with dotted names; without the loss, the seed and where things lie."""
    versions: str = ""


@dataclass(frozen=True)
class Arm:
    """One loss at one budget; ``label`` is unique in a comparison."""

    label: str
    loss: str
    data: str
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
    contents = [_content(folder / CONFIG) for folder in folders]
    names = [_name(folder, content) for folder, content in zip(folders, contents, strict=True)]
    runs = [
        _read(*of_run) for of_run in zip(folders, contents, names, short_names(names), strict=True)
    ]
    return sorted(runs, key=lambda run: (run.name, run.steps, str(run.path)))


def _name(folder: Path, content: Mapping[str, Any]) -> RunName:
    name = name_of_place(folder.parts) or name_of_config(folder.parts, content)
    if name is None:
        raise RunError(
            f"{folder}: neither its path (<data>/<model>/<loss>/seed<k>) nor a {CONFIG} in it says "
            "which loss and seed it is of; leave it out"
        )
    return name


def _read(folder: Path, content: Mapping[str, Any], name: RunName, short: str) -> Run:
    """What a folder says about its run, without its numbers."""
    attempt = folder.name.partition("-")[2]
    config = dict(_flat(content, ""))
    return Run(
        path=folder,
        name=short,
        data=name.data,
        model=name.model,
        loss=name.loss,
        seed=name.seed,
        attempt=int(attempt) if attempt.isdigit() else 1,
        steps=_last_step(folder / METRICS) + 1,
        finished=(folder / TABLE).is_file(),
        config={key: value for key, value in config.items() if not _OF_PLACE.match(key)},
        versions=_versions(folder / CONFIG),
    )


def group(runs: Sequence[Run], baseline: str) -> tuple[list[Arm], list[str]]:
    """Arms, those of the baseline first, and what a reader must know about the runs.

    Runs of a loss with different numbers of steps are different arms: the usual number has the
    label ``ce``, another ``ce, 3x``. Of two finished runs of a seed the later attempt counts.

    Raises:
        RunError: if no run finished.
    """
    warnings = [
        f"{run.name} is not finished ({run.steps} steps) and left out"
        for run in runs
        if not run.finished
    ]
    finished = [run for run in runs if run.finished]
    if not finished:
        raise RunError(f"{len(runs)} runs found, none has finished; wait, or resume them")
    usual = _usual_steps(finished, baseline)
    families = {_family(run) for run in finished}
    members: dict[str, dict[int, Run]] = {}
    for run in sorted(finished, key=lambda run: run.attempt):
        label = run.loss + _budget(run.steps, usual)
        if len(families) > 1:
            label += f" ({_family_name(run, families)})"
        seeds = members.setdefault(label, {})
        if run.seed in seeds:
            warnings.append(f"seed {run.seed} of {label} was run more than once; {run.name} counts")
        seeds[run.seed] = run
    arms = [_arm(label, seeds, usual) for label, seeds in members.items()]
    arms.sort(key=lambda arm: (arm.loss != baseline, arm.steps != usual, arm.label))
    return arms, warnings


def _arm(label: str, seeds: Mapping[int, Run], usual: int) -> Arm:
    runs = tuple(seeds[seed] for seed in sorted(seeds))
    first = runs[0]
    steps = first.steps if _budget(first.steps, usual) else usual
    return Arm(label, first.loss, first.data, first.model, steps, runs)


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
    if abs(ratio - 1) < 0.02:  # a last step that was not logged
        return ""
    return f", {ratio:.0f}x" if abs(ratio - round(ratio)) < 0.02 else f", {ratio:.2g}x"


def _family(run: Run) -> tuple[str, str]:
    """Dataset and network; the name of a folder such as camvid_x3 does not make a dataset."""
    data = run.config.get("data.class_path", run.data)
    options = (run.config.get("model.architecture"), run.config.get("model.encoder"))
    return data, "/".join(map(str, options)) if all(options) else run.model


def _family_name(run: Run, families: set[tuple[str, str]]) -> str:
    parts = []
    if len({data for data, _ in families}) > 1:
        parts.append(run.data)
    if len({model for _, model in families}) > 1:
        parts.append(run.model)
    return ", ".join(parts)


def _content(path: Path) -> dict[str, Any]:
    """Of a configuration; empty if there is none."""
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = str(error).splitlines()[0]
        raise RunError(f"{path}: is no YAML ({line}); leave this run out") from None
    return content if isinstance(content, dict) else {}


def _flat(content: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in content.items():
        if isinstance(value, dict) and value:
            pairs += _flat(value, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", str(value)))
    return pairs


def _versions(path: Path) -> str:
    """The comment with which LightningCLI begins the file, ``pytorch_lightning==2.6.6``."""
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        first = file.readline().strip()
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def _last_step(path: Path) -> int:
    """Of the last whole row."""
    rows = path.read_text(encoding="utf-8").splitlines()
    place = rows[0].split(",").index("step") if rows and "step" in rows[0].split(",") else -1
    if place < 0:
        raise RunError(f"{path}: has no column step; it is no file of a run")
    steps = [row.split(",")[place] for row in rows[1:] if row.count(",") >= place]
    return max((int(float(step)) for step in steps if step), default=-1)
