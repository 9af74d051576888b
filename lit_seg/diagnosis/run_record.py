"""Reads what a run left in its folder for the diagnosis, and how it was trained."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from lit_seg.analysis.group_data import counts_of
from lit_seg.analysis.image_counts import ImageCounts
from lit_seg.errors import RunError
from lit_seg.losses.catalogue import every_loss
from lit_seg.metrics.scores import LABELLED
from lit_seg.metrics.shot_groups import class_groups
from lit_seg.metrics.task_words import Words, words_of
from lit_seg.runs.csv_rows import logged_length
from lit_seg.runs.layout import COMMAND, DATASET, METRICS, VAL_IMAGES, find_run, read_words
from lit_seg.runs.reader import COUNTS, load_dataset, load_images, load_runs
from lit_seg.runs.records import RECORD
from lit_seg.runs.run import contradiction, wrong_pixels, wrong_scores
from lit_seg.runs.run_name import name_of_place
from lit_seg.runs.summary import options_of, read_summary

# DATA of the datasets whose DATA is not the name of their class in lower case.
_DATA_NAMES = {"OxfordPet": "oxford_pet", "VirtualKITTI2": "vkitti2"}
# Options that the Makefile gives; the rest of a command are ARGS.
_OF_MAKE = (
    *("--config", "--seed_everything", "--run_dir", "--model.init", "--model.weights"),
    *("--test_at_end", "--model.stage_one"),  # of classification
)


@dataclass(frozen=True)
class Origin:
    """How a run was trained, as the variables of ``make train``."""

    loss: str  # LOSS, or the class path of a user's own loss; "" if it is not known
    plain: bool  # whether the loss is cross-entropy, which does nothing about imbalance
    variables: dict[str, str]  # DATA, MODEL, SEED and so on, as far as they are known
    args: list[str] | None  # ARGS; None if they are not known
    epochs: int | None  # the configured length; None if it was given in steps
    steps: int | None
    pretrained: bool | None  # whether training started from such weights; None if not known
    rule: str | None = None  # by which a classifier's classes are many, medium and few

    @property
    def classifies(self) -> bool:
        """Whether it is a run of classification, where a pixel stands for an image."""
        return self.rule is not None

    def train(self, loss: str, options: str = "", **changed: str) -> str:
        """The command that trains such a run again with another loss or other variables."""
        args = self.args or []
        if loss != self.loss:
            args = _without(args, "--model.loss")
        return make_train({"LOSS": loss, **self.variables, **changed}, shlex.join(args), options)


@dataclass(frozen=True)
class RunRecord:
    """What the files of a run hold."""

    folder: Path
    origin: Origin
    classes: tuple[str, ...]  # in the order of their ids; without dataset.csv in that of the log
    pixels: list[int] | None  # labelled in training, or else in validation; None if not known
    images: tuple[str, ...]  # of the last validation; empty for a run without counts per image
    counts: ImageCounts  # pixels labelled, predicted and both
    log: pd.DataFrame  # rows (step, stat, class, value) of everything that was logged
    curve: pd.Series  # mean IoU of each validation, by step
    notes: tuple[str, ...]  # which files are missing, and what is therefore not known
    epochs: float  # begun, or if it is not known validated; a part of the images is a part of one
    finished: bool  # whether it trained to its end

    @cached_property
    def groups(self) -> dict[str, list[int]]:
        """Class ids by ``class_groups``; empty if frequencies are not known."""
        return class_groups(self.pixels, self.origin.rule) if self.pixels else {}

    @cached_property
    def words(self) -> Words:
        """What a diagnosis of the run calls things."""
        return words_of(list(self.groups), self.origin.rule)

    def resume(self, options: str = "") -> str:
        """The command that trains it further."""
        task = {"TASK": "classification"} if self.origin.classifies else {}
        return make_train({**task, "RESUME": str(self.folder)}, options)


def make_train(variables: Mapping[str, str], *options: str) -> str:
    """A command for a shell; ``options`` are ARGS, quoted for it already."""
    words = [f"{key}={shlex.quote(value)}" for key, value in variables.items()]
    if args := " ".join(filter(None, options)):
        words.append(shlex.quote(f"ARGS={args}") if set(args) & set('"$`\\') else f'ARGS="{args}"')
    return " ".join(["make train", *words])


def read_run(path: str | Path) -> RunRecord:
    """Read the run whose folder is given, or a file in it.

    Raises:
        RunError: if it is no run, was never validated, or one of its files is damaged.
    """
    path = Path(path)
    folder = path if (path / METRICS).is_file() else find_run(path)
    has_log, has_images = ((folder / name).is_file() for name in (METRICS, VAL_IMAGES))
    log = load_runs(folder) if has_log else pd.DataFrame(columns=RECORD)
    scored = log[(log["stat"] == "val/miou") & log["value"].notna()]
    curve = scored.set_index("step")["value"]
    if not has_log or (curve.empty and not has_images):
        raise RunError(
            f"{folder}: the run was never validated, neither {VAL_IMAGES} nor {METRICS} holds a "
            f"score; train it to its first validation by make train RESUME={folder}"
        )
    rows = load_images(folder) if has_images else pd.DataFrame(columns=["image", "class", *COUNTS])
    images = rows["image"].unique()
    notes, pixels = [], None
    if (folder / DATASET).is_file():
        dataset = load_dataset(folder)
        classes, pixels = dataset["class"].tolist(), dataset["train_pixels"].tolist()
    else:
        logged = log.loc[log["stat"] == "val/iou", "class"]
        classes = list(dict.fromkeys([*logged, *rows["class"]]))  # not all are logged of many
    counts = counts_of(rows, images, classes)
    if not has_images:
        notes.append(
            f"no {VAL_IMAGES} (a run of an older version): mask sizes and the number of labelled "
            "pixels are not known; the next validation in training writes the file"
        )
    if pixels is None and has_images:
        pixels = counts.sums()[:, LABELLED].tolist()
        notes.append(f"no {DATASET}: classes are ordered by their pixels in validation")
    elif pixels is None:
        notes.append(f"no {DATASET}: which classes are rare is not known")
    summary = read_summary(folder)
    options = summary.options if summary else options_of(folder)
    problem = contradiction(rows, curve.iloc[-1]) if len(images) and len(curve) else ""
    if summary and summary.scores and len(images):
        problem = problem or wrong_scores(rows, summary.scores)
    if summary and summary.scores and (folder / DATASET).is_file():
        problem = problem or wrong_pixels(load_dataset(folder), summary.scores)
    if problem and summary:
        raise RunError(
            f"{folder}/{problem}; validate it again by make train RESUME={folder} with a later end"
        )
    if problem:  # a run that still trains writes one file before the other
        notes.append(f"{problem}, or not written yet")
    return RunRecord(
        folder=folder,
        origin=origin_of(folder, options),
        classes=tuple(classes),
        pixels=pixels,
        images=tuple(images),
        counts=counts,
        log=log,
        curve=curve,
        notes=tuple(notes),
        epochs=_epochs(folder, options, len(curve)),
        finished=summary is not None,
    )


def _epochs(folder: Path, options: Mapping[str, Any], validations: int) -> float:
    """Count the epochs begun; each counts as a part if it used a part of the images only."""
    _, epochs = logged_length(folder / METRICS)
    share = str(options.get("trainer.limit_train_batches"))
    part = float(share) if re.fullmatch(r"0?\.\d+", share) else 1.0
    return part * (validations if epochs is None else epochs)


def origin_of(folder: Path, options: Mapping[str, Any]) -> Origin:
    """Find the origin of a run from its options with dotted names, its path and its command."""
    options = {key: str(value) for key, value in options.items() if value not in (None, "")}
    # A run that was moved elsewhere still says in its configuration where it was trained.
    paths = (folder.absolute(), Path(options.get("trainer.default_root_dir", "")))
    name = next((name for path in paths if (name := name_of_place(path.parts))), None)
    data, _, recipe = name.data.partition("-") if name else ("", "", "")
    given, args = _command(folder)
    network = [options.get(f"model.{key}", "") for key in ("architecture", "encoder")]
    loss, plain = _loss(options.get("model.loss.class_path", ""), name.loss if name else "")
    variables = {
        "DATA": _data(options.get("data.class_path", ""), data),
        "MODEL": name.model if name else "_".join(filter(None, network)),
        "SEED": str(name.seed) if name else "",
        "RECIPE": recipe,
        "WEIGHTS": options.get("model.weights", ""),
        "INIT": options.get("model.init", ""),
        "TASK": "classification" if "model.rule" in options else "",
        **given,
    }
    variables = {key: value for key, value in variables.items() if value}
    lengths = [options.get(f"trainer.max_{unit}", "") for unit in ("epochs", "steps")]
    epochs, steps = (int(text) if text.isdigit() and int(text) else None for text in lengths)
    pretrained = bool({"WEIGHTS", "INIT"} & set(variables)) if options else None
    rule = options.get("model.rule")
    return Origin(loss, plain, variables, args, epochs, steps, pretrained, rule)


def _command(folder: Path) -> tuple[dict[str, str], list[str] | None]:
    """Read DATA, MODEL and RECIPE of the ``make train`` that started a run, and its ARGS.

    If the run does not say, or another command started it, the result is nothing and None.
    """
    words = read_words(folder / COMMAND) or []
    layers = [Path(value) for word, value in pairwise(words) if word == "--config"]
    ours = layers[0].parent if layers else Path()
    kinds = {layer.parent.name: layer.stem for layer in layers if layer.parent.parent == ours}
    if not {"model", "loss"} <= set(kinds):
        return {}, None
    data, own = layers[1], ours not in layers[1].parents
    if not own and data.parent.name != "data":  # put together by hand, in another order
        return {}, None
    added = [str(layer) for layer in layers[2:] if ours not in layer.parents]
    variables = {"DATA": str(data) if own else data.stem, "MODEL": kinds["model"]}
    variables["RECIPE"] = kinds.get("recipe", "")
    args = [word for path in added for word in ("--config", path)]
    return variables, [*args, *_without(words[1:], *_OF_MAKE)]


def _without(words: Sequence[str], *names: str) -> list[str]:
    """Remove the options of these names, and those below them, from a command line."""
    kept, keep = [], True
    for word in words:
        if word.startswith("--"):
            option = word.partition("=")[0]
            keep = not any(option == name or option.startswith(f"{name}.") for name in names)
        if keep:
            kept.append(word)
    return kept


def _loss(class_path: str, in_path: str) -> tuple[str, bool]:
    """Find LOSS, and whether it is cross-entropy.

    The class decides. If a class has several names, the path of the run has the one that was
    given.
    """
    for cls in every_loss():
        names = cls.card.name.split(", ")
        if cls.__name__ == _class_of_ours(class_path) or (not class_path and in_path in names):
            return in_path if in_path in names else names[0], cls.card.family == "plain"
    if class_path.startswith("lit_seg."):  # a form of a loss that only classifiers have
        return in_path or class_path, False
    return class_path or in_path, False


def _data(class_path: str, in_path: str) -> str:
    """Find DATA; for a folder of the user's own it is a reminder to give the path of its file."""
    name = _class_of_ours(class_path)
    if name == "Folder":
        return f"<path of>/{in_path or 'your'}.yaml"
    return in_path or _DATA_NAMES.get(name, name.lower())


def _class_of_ours(class_path: str) -> str:
    """The name of a class of this package; "" for another."""
    module, _, name = class_path.rpartition(".")
    return name if not module or module.startswith("lit_seg") else ""
