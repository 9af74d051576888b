"""Writes and reads ``summary.json``: that a run finished, its scores, options and versions.

It is written once, at the end of a run, and nothing else says that a run finished: a run without it
has not. If such a run has trained to its end, as runs of versions that wrote no summary may have,
resuming it scores its last weights and writes the summary; nothing is trained.
"""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np

from lit_seg.errors import RunError, plural
from lit_seg.files.atomic_io import replace_text
from lit_seg.files.schema import COUNT, Value, difference, is_number
from lit_seg.files.yaml_file import read_yaml
from lit_seg.metrics.frequency_groups import frequency_groups
from lit_seg.metrics.scores import CLASS_STATS, STATS, Array, from_classes
from lit_seg.runs.csv_rows import costs, logged_length
from lit_seg.runs.layout import CONFIG, COST, METRICS, SUMMARY, TABLE
from lit_seg.runs.records import split_stat
from lit_seg.runs.summary_schema import FINISHED, SCHEMA, damaged, read_content

_SCORE = Value(
    "a number from 0 to 1 or null",
    lambda v: v is None or (is_number(v) and 0 <= v <= 1),
)
_CLASSES = {str: {"train_pixels": COUNT, **dict.fromkeys(CLASS_STATS, _SCORE)}}
_SCORES = {"overall": dict.fromkeys(STATS, _SCORE), "classes": _CLASSES}
_PACKAGES = (
    *("lit-seg", "torch", "torchvision", "pytorch-lightning", "torchmetrics"),
    *("segmentation-models-pytorch", "albumentations", "numpy"),
)
_LOGGED_LATE = 0.02  # share of the steps: the last ones of a run need not be logged


@dataclass(frozen=True)
class RunScores:
    """Scores of the last validation as ``lit_seg.metrics.scores`` defines them."""

    overall: dict[str, float]  # by the names in STATS; NaN where a score is undefined
    classes: dict[str, dict[str, float]]  # train_pixels and CLASS_STATS by class, in order of ids

    def column(self, stat: str) -> Array:
        """The ``(C,)`` values of a score."""
        return np.array([row[stat] for row in self.classes.values()], np.float64)

    def groups(self) -> dict[str, list[int]]:
        """The class ids of head, medium and tail."""
        return frequency_groups([int(row["train_pixels"]) for row in self.classes.values()])


@dataclass(frozen=True)
class Summary:
    """What ``summary.json`` holds."""

    steps: int  # of the optimizer
    epochs: int | None  # begun; None if the log does not say
    scores: RunScores | None  # None if the run was never validated
    options: dict[str, Any]  # the configuration with dotted names
    cost: dict[str, float]  # medians over the epochs
    versions: dict[str, str]

    def stopped_early(self) -> str:
        """Write ``6 of the 12 epochs``; empty if the run is as long as its options say."""
        of = {unit: self.options.get(f"trainer.max_{unit}") or -1 for unit in ("steps", "epochs")}
        short = self.steps < of["steps"] and not same_length(self.steps, of["steps"])
        if of["epochs"] > 0:
            long_enough = of["steps"] > 0 and not short
            early = self.epochs is not None and self.epochs < of["epochs"] and not long_enough
            return f"{self.epochs} of the {plural(of['epochs'], 'epoch')}" if early else ""
        return f"{self.steps} of the {plural(of['steps'], 'step')}" if short else ""


def same_length(steps: int, others: int) -> bool:
    """Whether two numbers of steps are nearly equal."""
    return abs(steps / max(1, others) - 1) < _LOGGED_LATE


def run_scores(
    names: Sequence[str], train_pixels: Sequence[int], per_class: Sequence[Array], pixel_acc: float
) -> RunScores:
    """Make the scores of a run from those of classes, ``(C,)`` in the order of ``CLASS_STATS``."""
    tail = frequency_groups(train_pixels)["tail"]
    iou, recall, precision = per_class
    overall = from_classes(iou, recall, precision, np.array(pixel_acc), tail).tolist()
    columns = [map(int, train_pixels), *(values.tolist() for values in per_class)]
    keys = ("train_pixels", *CLASS_STATS)
    rows = [dict(zip(keys, row, strict=True)) for row in zip(*columns, strict=True)]
    return RunScores(dict(zip(STATS, overall, strict=True)), dict(zip(names, rows, strict=True)))


def write_summary(folder: Path, steps: int, scores: RunScores | None) -> Summary:
    """Write ``summary.json`` of the run in ``folder``, which has just finished, in one move."""
    _, epochs = logged_length(folder / METRICS)
    summary = Summary(steps, epochs, scores, options_of(folder), _cost(folder), versions())
    content = {"schema": SCHEMA, **asdict(summary), "status": FINISHED}
    replace_text(folder / SUMMARY, json_text(content))
    return summary


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that decide what a network computes."""
    found = {"python": python_version()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):  # as where a clone is on the path
            found[name] = version(name)
    return found


def json_text(content: Any) -> str:
    """Write JSON, which has no NaN: it becomes null."""
    text = json.dumps(content, default=str)
    return json.dumps(json.loads(text, parse_constant=lambda name: None), indent=1) + "\n"


def read_summary(folder: Path) -> Summary | None:
    """Read the summary of a run; None if the run has not finished.

    Raises:
        RunError: if the file is damaged or of another version.
    """
    content = read_content(folder)
    if content is None:
        return None
    scores = content["scores"]
    if scores is not None:
        if damage := difference(scores, _SCORES, "scores"):
            raise damaged(folder, damage)
        classes = {name: _with_nan(row) for name, row in scores["classes"].items()}
        scores = RunScores(_with_nan(scores["overall"]), classes)
    return Summary(
        content["steps"],
        content["epochs"],
        scores,
        content["options"],
        _with_nan(content["cost"]),
        content["versions"],
    )


def remove_summary(folder: Path) -> None:
    """Remove the summary and the table of a run that goes on."""
    for name in (SUMMARY, TABLE):
        (folder / name).unlink(missing_ok=True)


def options_of(folder: Path) -> dict[str, Any]:
    """Read the options in ``config.yaml`` by dotted names, in its order; none without the file."""
    path = folder / CONFIG
    if not path.is_file():
        return {}
    try:
        content = read_yaml(path)
    except RunError:
        content = {}
    if not {"data", "model", "trainer"} <= content.keys():
        raise RunError(f"{path}: is no whole configuration; restore the file, or leave the run out")
    return _flat(content)


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for key, value in content.items():
        nested = isinstance(value, dict) and value
        pairs |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return pairs


def _cost(folder: Path) -> dict[str, float]:
    table = costs(folder / COST)
    medians = table.groupby("stat")["value"].median()
    return {split_stat(str(stat))[1]: float(value) for stat, value in medians.items()}


def _with_nan(scores: Mapping[str, float | None]) -> dict[str, float]:
    return {key: math.nan if value is None else value for key, value in scores.items()}
