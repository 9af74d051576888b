"""The folder of a run: where it is, what lies in it, and how to find it again."""

from pathlib import Path

import torch

from lit_seg.errors import RunError

CONFIG = "config.yaml"
CHECKPOINTS = "checkpoints"
METRICS = "metrics.csv"
CLASSES = "classes.csv"
WANDB_ID = "wandb_id.txt"


def free_folder(wanted: Path) -> Path:
    """``wanted``, or ``wanted-2`` and so on when a run lies there already.

    What failed before its first step leaves the name free.
    """
    folder, number = wanted, 1
    while (folder / METRICS).exists() or (folder / CHECKPOINTS).exists():
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
    raise RunError(f"{path}: is not part of a run, no {CONFIG} lies beside it")


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


def _readable(path: Path) -> Path:
    try:
        content = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    except Exception as error:  # torch raises whatever unpickling raises
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{path}: cannot be read as a checkpoint ({reason})") from None
    if not isinstance(content, dict) or "state_dict" not in content:
        raise RunError(f"{path}: is no checkpoint of a run, it holds no state_dict")
    return path


def _shortest(path: Path) -> Path:
    cwd = Path.cwd()
    return path.relative_to(cwd) if path.is_relative_to(cwd) else path


def _others(path: Path) -> str:
    """The runs that lie where ``path`` was expected, as a hint."""
    parent = path.parent
    while not parent.is_dir() and parent != parent.parent:
        parent = parent.parent
    runs = sorted(str(config.parent) for config in parent.glob(f"*/**/{CONFIG}"))
    return f"; there are {', '.join(runs[:20])}" if runs else ""
