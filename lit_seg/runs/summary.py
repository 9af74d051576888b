"""``summary.json``: that a run finished, what it scored, with which options and versions.

It is written once, at the end of a run. The table for people, ``val_table.md``, is made from it and
its content is never read. Runs of versions before the summary existed left only the table: for them
a summary is made from their other files.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np
import pandas as pd
import yaml

from lit_seg.errors import RunError
from lit_seg.files.atomic_io import replace_text
from lit_seg.metrics.frequency_groups import frequency_groups
from lit_seg.metrics.scores import (
    CLASS_STATS,
    STATS,
    Array,
    class_scores,
    from_classes,
    overall_scores,
)
from lit_seg.runs.csv_rows import costs, logged_length, metrics
from lit_seg.runs.layout import CONFIG, COST, DATASET, METRICS, SUMMARY, TABLE, VAL_IMAGES
from lit_seg.runs.reader import COUNTS, load_dataset, load_images

SCHEMA = 1
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
        """A score of all classes."""
        return np.array([row[stat] for row in self.classes.values()], np.float64)

    def groups(self) -> dict[str, list[int]]:
        """Class ids of head, medium and tail."""
        return frequency_groups([int(row["train_pixels"]) for row in self.classes.values()])


@dataclass(frozen=True)
class Summary:
    """What ``summary.json`` holds."""

    steps: int  # of the optimizer
    epochs: int | None  # begun; None if an older run does not say
    scores: RunScores | None  # None if the run was never validated
    options: dict[str, Any]  # the configuration with dotted names
    cost: dict[str, float]  # medians over the epochs
    versions: dict[str, str]
    status: str = "finished"

    def stopped_early(self) -> str:
        """``6 of the 12 epochs``; empty if the run is as long as its options say."""
        of = {unit: self.options.get(f"trainer.max_{unit}") or -1 for unit in ("steps", "epochs")}
        short = self.steps < of["steps"] and not same_length(self.steps, of["steps"])
        if of["epochs"] > 0:
            long_enough = of["steps"] > 0 and not short
            early = self.epochs is not None and self.epochs < of["epochs"] and not long_enough
            return f"{self.epochs} of the {of['epochs']} epochs" if early else ""
        return f"{self.steps} of the {of['steps']} steps" if short else ""


def same_length(steps: int, others: int) -> bool:
    """Whether two numbers of steps are nearly equal."""
    return abs(steps / max(1, others) - 1) < _LOGGED_LATE


def run_scores(
    names: Sequence[str], train_pixels: Sequence[int], per_class: Sequence[Array], pixel_acc: float
) -> RunScores:
    """The scores of a run from ``(C,)`` scores of its classes in the order of ``CLASS_STATS``."""
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
    installed = {str(d.name).lower().replace("_", "-"): d.version for d in distributions()}
    versions = {name: installed[name] for name in _PACKAGES if name in installed}
    versions = {"python": python_version(), **versions}
    summary = Summary(steps, epochs, scores, options_of(folder), _cost(folder), versions)
    text = json.dumps({"schema": SCHEMA, **asdict(summary)}, default=str)
    content = json.loads(text, parse_constant=lambda name: None)  # JSON has no NaN
    replace_text(folder / SUMMARY, json.dumps(content, indent=1) + "\n")
    return summary


def read_summary(folder: Path) -> Summary | None:
    """The summary of a run; None if it has not finished.

    Raises:
        RunError: if the file is damaged or of a newer version; of an older run without a summary,
            if its configuration or its tables are damaged.
    """
    path = folder / SUMMARY
    if not path.is_file():
        return _summary_of_older_run(folder) if (folder / TABLE).is_file() else None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("schema") != SCHEMA:
            raise RunError(f"{path}: is of another version of lit_seg; read it with that version")
        scores = content.pop("scores")
        if scores is not None:
            classes = {name: _with_nan(row) for name, row in scores["classes"].items()}
            scores = RunScores(_with_nan(scores["overall"]), classes)
        return Summary(**content, scores=scores)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path}: is damaged ({error}); finish the run again by --resume") from None


def remove_summary(folder: Path) -> None:
    """Take away the summary and the table of a run that goes on."""
    for name in (TABLE, SUMMARY):  # a table alone would say that an older run finished
        (folder / name).unlink(missing_ok=True)


def options_of(folder: Path) -> dict[str, Any]:
    """The options in ``config.yaml`` with dotted names, in its order; none without the file."""
    path = folder / CONFIG
    if not path.is_file():
        return {}
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        content = None
    if not isinstance(content, dict) or not {"data", "model", "trainer"} <= content.keys():
        raise RunError(f"{path}: is no whole configuration; restore the file, or leave the run out")
    return _flat(content)


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    pairs: dict[str, Any] = {}
    for key, value in content.items():
        nested = isinstance(value, dict) and value
        pairs |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return pairs


def _summary_of_older_run(folder: Path) -> Summary:
    """The summary that a run of a version without ``summary.json`` would have."""
    log = metrics(folder / METRICS, ["val"])
    steps, epochs = logged_length(folder / METRICS)
    options, versions = options_of(folder), {}
    if options:
        first = (folder / CONFIG).read_text(encoding="utf-8").partition("\n")[0]
        package, _, number = first.strip("# \r").partition("==")
        versions = {package: number} if number else {}
    scores = _scores_of_older_run(folder, log)
    return Summary(steps, epochs, scores, options, _cost(folder), versions)


def _scores_of_older_run(folder: Path, log: pd.DataFrame) -> RunScores | None:
    names = log.loc[log["stat"] == "val/iou", "class"].unique().tolist()
    pixels = [1] * len(names)
    if (folder / DATASET).is_file():
        dataset = load_dataset(folder)
        names, pixels = dataset["class"].tolist(), dataset["train_pixels"].tolist()
    if not names or log.empty:
        return None
    per_class, pixel_acc = logged_scores(log, log["step"].max(), names)
    if (folder / VAL_IMAGES).is_file():  # its counts say which classes are hardly predicted
        sums = load_images([folder]).groupby("class")[COUNTS].sum()
        counts = sums.reindex(names, fill_value=0).to_numpy()
        per_class, pixel_acc = class_scores(counts), float(overall_scores(counts, tail=())[3])
    return run_scores(names, pixels, per_class, pixel_acc)


def logged_scores(
    log: pd.DataFrame, step: int, names: Sequence[str]
) -> tuple[Sequence[Array], float]:
    """``(C,)`` scores in the order of ``CLASS_STATS`` and the pixel accuracy logged at a step."""
    last = log[log["step"] == step].set_index(["stat", "class"])["value"]
    per_class = [
        np.array([last.get((f"val/{stat}", name), math.nan) for name in names], np.float64)
        for stat in CLASS_STATS
    ]
    return per_class, last.get(("val/pixel_acc", ""), math.nan)


def _cost(folder: Path) -> dict[str, float]:
    table = costs(folder / COST)
    medians = table.groupby("stat")["value"].median()
    return {str(stat).removeprefix("cost/"): float(value) for stat, value in medians.items()}


def _with_nan(scores: Mapping[str, float | None]) -> dict[str, float]:
    return {key: math.nan if value is None else value for key, value in scores.items()}
