"""The folder of a run: where it is, what lies in it, and how to find it again."""

import os
import pickle
import re
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch

from lit_seg.errors import RunError

CONFIG = "config.yaml"
CHECKPOINTS = "checkpoints"
METRICS = "metrics.csv"
CLASSES = "classes.csv"
COST = "cost.csv"
DATASET = "dataset.csv"
VAL_IMAGES = "val_images.csv"
PICTURES = "pictures"
WANDB_ID = "wandb_id.txt"

_OF_A_RUN = {
    *("epoch", "global_step", "loops", "lr_schedulers", "optimizer_states"),
    "pytorch-lightning_version",
}


def free_folder(wanted: Path) -> Path:
    """``wanted``, or ``wanted-2`` and so on when a run lies there already.

    What failed before its first step leaves the name free.

    Raises:
        RunError: if no folder can be made there.
    """
    there = next(folder for folder in (wanted, *wanted.absolute().parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        problem = "cannot be written" if there.is_dir() else "is a file"
        raise RunError(f"{wanted}: no run can lie here, {there} {problem}; give another --run_dir")
    folder, number = wanted, 1
    while any((folder / name).exists() for name in (METRICS, CLASSES, CHECKPOINTS)):
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")
    return folder


def find_run(path: Path) -> Path:
    """The run that ``path``, its folder or a file in it, belongs to.

    Raises:
        RunError: if there is no such path, or no run around it.
    """
    if not path.exists():
        raise RunError(f"{path}: no such run or checkpoint{_others(path)}")
    folder = path.absolute() if path.is_dir() else path.absolute().parent
    for candidate in (folder, folder.parent):
        if (candidate / CONFIG).is_file():
            return _shortest(candidate)
    raise RunError(
        f"{path}: is not part of a run, no {CONFIG} lies beside it. Give a run's folder; a "
        "checkpoint without its run is scored with --config too, and INIT takes its weights"
    )


def find_checkpoint(path: Path, prefer: str) -> Path:
    """The checkpoint that ``path`` means: itself, or one of the run folder that it is.

    Args:
        path: a checkpoint file or a run folder.
        prefer: ``"best"`` or ``"last"``; a run that lacks it gives the other.

    Raises:
        RunError: if the run holds no checkpoint, or it cannot be read.
    """
    if path.is_file():
        return _readable(path)
    folder = find_run(path) / CHECKPOINTS
    for name in (prefer, "last", "best"):
        if (folder / f"{name}.ckpt").is_file():
            return _readable(folder / f"{name}.ckpt")
    raise RunError(f"{folder}: holds no checkpoint yet; the run must be started anew")


def check_length(checkpoint: Path, max_epochs: int | None, max_steps: int) -> None:
    """Refuse to go on to an end that lies behind the checkpoint, or from a damaged state.

    Raises:
        RunError: naming both numbers of epochs or steps, or what is damaged.
    """
    content = read_plain(checkpoint)
    try:
        epochs = int(content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])
        steps = int(content["global_step"])
        # what else is read of it
        _ = dict(content["hyper_parameters"]), dict(content["state_dict"])
        _ = {key: int(value) for key, value in content.get("position", {}).items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{checkpoint}: the state of the run in it is damaged ({error!r}){_beside(checkpoint)}"
        ) from None
    for key, limit, done in (("epochs", max_epochs, epochs), ("steps", max_steps, steps)):
        if limit is not None and 0 <= limit < done:
            raise RunError(
                f"{checkpoint}: has done {done} {key}, `trainer.max_{key}` is {limit}; give more "
                "to go on, or train a new run"
            )


def read_plain(path: Path) -> Any:
    """What torch saved in a file, if it is tensors and plain values; no code in it is run.

    Raises:
        RunError: saying why it cannot be read.
    """
    whole = is_zipfile(path)  # torch writes such since 1.6
    try:
        return torch.load(path, map_location="cpu", mmap=whole, weights_only=True)
    except Exception as error:  # torch raises whatever unpickling raises
        code = re.search(r"GLOBAL (\S+)", str(error))
        if not path.stat().st_size:
            reason = "it is empty"
        elif code:
            reason = f"it asks for {code[1]}, and no code of a checkpoint is run"
        elif not whole and path.open("rb").read(2) == b"PK":
            reason = "it is cut short or damaged"
        elif not whole or isinstance(error, pickle.UnpicklingError):
            reason = "it is no file of torch.save, or holds more than tensors and plain values"
        else:
            reason = (str(error) or type(error).__name__).splitlines()[0]
        raise RunError(
            f"{path}: cannot be read as a checkpoint ({reason}){_beside(path)}"
        ) from None


def _readable(path: Path) -> Path:
    content = read_plain(path)
    if not isinstance(content, dict) or "state_dict" not in content:
        raise RunError(
            f"{path}: is no checkpoint of a run, it holds no state_dict; give a run or one of its"
        )
    if missing := _OF_A_RUN - content.keys():
        raise RunError(
            f"{path}: holds weights but not the state of a run ({', '.join(sorted(missing))}); "
            "INIT takes its weights for a new run"
        )
    return path


def _beside(path: Path) -> str:
    """Other checkpoints in the folder, as a hint."""
    others = sorted(str(other) for other in path.parent.glob("*.ckpt") if other != path)
    return f"; there is also {', '.join(others[:5])}" if others else ""


def _shortest(path: Path) -> Path:
    cwd = Path.cwd()
    return path.relative_to(cwd) if path.is_relative_to(cwd) else path


def _others(path: Path) -> str:
    """The runs that lie where ``path`` was expected, as a hint; not those of a whole disk."""
    parent = path.absolute().parent
    while not parent.is_dir():
        parent = parent.parent
    if parent == parent.parent:
        return ""
    patterns = ["/".join([*["*"] * depth, CONFIG]) for depth in range(1, 5)]
    try:
        runs = sorted(
            str(_shortest(f.parent)) for pattern in patterns for f in parent.glob(pattern)
        )
    except OSError:  # a folder went while it was read
        return ""
    return f"; there are {', '.join(runs[:20])}" if runs else ""
