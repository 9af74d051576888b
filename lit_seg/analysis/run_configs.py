"""The configurations of runs as flat options, and those of damaged files completed from others."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lit_seg.runs.layout import CONFIG
from lit_seg.runs.length import alike

if TYPE_CHECKING:
    from lit_seg.analysis.run_groups import Run

_FEW = 3  # options: another version may have one or two more at the end


def content(path: Path) -> dict[str, Any] | None:
    """Of a configuration; empty if there is none, None if it cannot be read."""
    if not path.is_file():
        return {}
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


def flat(of: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Options with dotted names, in the order of the file."""
    pairs: dict[str, str] = {}
    for key, value in of.items():
        if isinstance(value, dict) and value:
            pairs |= flat(value, f"{prefix}{key}.")
        else:
            pairs[f"{prefix}{key}"] = str(value)
    return pairs


def versions(path: Path) -> str:
    """The comment with which LightningCLI begins the file, ``pytorch_lightning==2.6.6``."""
    if not path.is_file():
        return ""
    with path.open(encoding="utf-8", errors="replace") as file:
        first = file.readline().strip()
    return first.removeprefix("#").strip() if first.startswith("#") else ""


def completed(runs: Sequence["Run"]) -> tuple[list["Run"], list[str]]:
    """The runs with what a damaged configuration lacks taken from another run, and warnings.

    The other run has the same data and network, and if there is one the same loss and length. A
    configuration is damaged if it cannot be read, ends where those of others go on, or lacks a
    section that they have.
    """
    found, warnings = [], []
    for run in runs:
        other = max(
            (other for other in runs if (other.data, other.model) == (run.data, run.model)),
            key=lambda other: (
                _lacks(run, other),
                other.loss == run.loss,
                alike(other.steps, run.steps),
                len(other.config),
            ),
        )
        damaged = _lacks(run, other)
        if damaged or not run.readable:
            tail = ""
            if damaged:
                tail = f"; what it lacks is taken to be as in {other.name}"
                run = replace(run, config={**other.config, **_whole(run, other)})
            warnings.append(f"{CONFIG} of {run.name} is damaged or incomplete{tail}")
        found.append(run)
    return found, warnings


def _whole(run: "Run", other: "Run") -> dict[str, str]:
    """The options of a damaged file without its last, which may be cut."""
    own = dict(list(run.config.items())[:-1])
    return {key: value for key, value in own.items() if key in other.config}


def _lacks(run: "Run", other: "Run") -> bool:
    """Whether a configuration is damaged, and another has what it lacks."""
    own, theirs = list(run.config), list(other.config)
    if not other.readable or not theirs:
        return False
    if not own:  # no file at all is no damage
        return not run.readable
    sections = {key.partition(".")[0] for key in theirs} - {key.partition(".")[0] for key in own}
    cut = len(theirs) - len(own) >= _FEW and own[:-1] == theirs[: len(own) - 1]
    return bool(sections & {"trainer", "model", "data"}) or cut
