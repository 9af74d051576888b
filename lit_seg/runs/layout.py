"""Defines the folder of a run: where it is, what lies in it, how it is held and found again."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from lit_seg.errors import RunError
from lit_seg.files.lock import locked
from lit_seg.files.unicode import printable

CONFIG = "config.yaml"
COMMAND = "command.json"
"""The words of the command that started the run."""
CHECKPOINTS = "checkpoints"
METRICS = "metrics.csv"
CLASSES = "classes.csv"
COST = "cost.csv"
DATASET = "dataset.csv"
VAL_IMAGES = "val_images.csv"
VAL_RECALL = "val_recall.csv"
"""The recall of each class at each validation, where there are too many to log each."""
SUMMARY = "summary.json"
TABLE = "val_table.md"
PICTURES = "pictures"
POSTHOC = "posthoc.json"
WANDB = "wandb"
EVALUATION = "evaluation"
"""Holds a folder per evaluation of a checkpoint, which is read like that of a run."""
WANDB_ID = "wandb_id.txt"
LOCK = ".fit.lock"
"""Held by the process that trains the run, and gone when it ends."""


def read_words(path: Path) -> list[str] | None:
    """Read the words of a command; None if the file is missing or damaged."""
    try:
        return [str(word) for word in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def is_taken(folder: Path) -> bool:
    """Whether a run lies in a folder, or files of somebody else that a run would replace.

    A run that failed before its first row and checkpoint leaves it free.
    """
    of_runs = [METRICS, CLASSES, CHECKPOINTS]
    if not (folder / COMMAND).exists():  # a run writes it first
        of_runs += [CONFIG, COST, DATASET, VAL_IMAGES, SUMMARY, TABLE]
    return any((folder / name).exists() for name in of_runs)


def free_folder(wanted: Path) -> Path:
    """Choose ``wanted``, or ``wanted-2`` and so on if a run lies there already.

    Raises:
        RunError: if the folder cannot be made.
    """
    if printable(str(wanted)) != str(wanted):  # W&B and tables of runs need its name
        raise RunError(f"{printable(str(wanted))}: is no UTF-8; give another --run_dir")
    if problem := what_prevents(wanted):
        raise RunError(f"{wanted}: no run can lie here, {problem}; give another --run_dir")
    return numbered(wanted, is_taken)


def what_prevents(folder: Path) -> str | None:
    """Say which path of a folder's is a file or cannot be written; None if it can be made."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if there.is_dir() and os.access(there, os.W_OK):
        return None
    return f"{there} {'cannot be written' if there.is_dir() else 'is a file'}"


def numbered(wanted: Path, taken: Callable[[Path], bool] = os.path.lexists) -> Path:
    """Choose ``wanted``, or ``wanted-2`` and so on if that is ``taken``, be it by a link."""
    folder, number = wanted, 1
    named = wanted if wanted.name not in ("", "..") else wanted.resolve()
    while taken(folder):
        number += 1
        folder = named.with_name(f"{named.name}-{number}")
    return folder


def check_files(folder: Path) -> None:
    """Refuse a run before it changes a file, if it could not write another one later.

    Raises:
        RunError: naming what is no plain file where the run has one, such as a folder.
    """
    names = (CONFIG, METRICS, CLASSES, COST, DATASET, VAL_IMAGES, VAL_RECALL, SUMMARY, TABLE)
    checkpoints = (folder / CHECKPOINTS / name for name in ("last.ckpt", "best.ckpt"))
    for path in (*(folder / name for name in names), *checkpoints):
        if os.path.lexists(path) and not path.is_file():
            raise RunError(f"{path}: is no plain file, and the run has one there; move it away")


def check_folders(folder: Path) -> None:
    """Refuse a run whose folders lead elsewhere: its files would replace those that lie there.

    Raises:
        RunError: naming the link.
    """
    for name in (CHECKPOINTS, PICTURES, EVALUATION, WANDB):
        below = os.walk(folder / name) if name != WANDB else ()  # which has links of its own
        inner = (Path(parent, each) for parent, folders, _ in below for each in folders)
        for path in (folder / name, *inner):
            if path.is_symlink():
                raise RunError(
                    f"{path}: is a link to a folder, and the run writes into its own; put a folder "
                    "there"
                )


@contextmanager
def hold_run(folder: Path) -> Iterator[None]:
    """Hold the run in ``folder``, which is made; a run that wrote nothing leaves no folder.

    Raises:
        RunError: naming the process that holds it, or the file if it cannot be locked.
    """
    made = [path for path in (folder, *folder.absolute().parents) if not path.exists()]
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / LOCK, wait=False))
        except BlockingIOError as error:
            raise RunError(
                f"{folder}: is being trained by {error}; wait until that has ended, or give "
                "another --run_dir for a new run"
            ) from None
        except OSError as error:  # nothing would hold off a second process
            raise RunError(
                f"{folder / LOCK}: cannot be locked ({error.strerror or error}), though it says "
                "that the run is being trained; if no process trains it, remove that"
            ) from None
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / LOCK).unlink()
                for path in made:
                    path.rmdir()  # which fails if it holds anything


def find_run(path: Path) -> Path:
    """Find the run of ``path``, which is its folder or a file in it.

    Raises:
        RunError: if there is no such path, or no run around it.
    """
    if not path.exists():
        raise RunError(f"{path}: no such run or checkpoint{_others(path)}")
    folder = path.absolute() if path.is_dir() else path.absolute().parent
    for candidate in (folder, folder.parent):
        if (candidate / CONFIG).is_file():
            return short_path(candidate)
    raise RunError(
        f"{path}: is not part of a run, no {CONFIG} lies beside it. Give a run's folder; a "
        "checkpoint without its run is scored with --config too, and INIT takes its weights"
    )


def short_path(path: Path) -> Path:
    """Write a path as one would type it here: relative if it is below the working directory."""
    cwd = Path.cwd()
    return path.relative_to(cwd) if path.is_relative_to(cwd) else path


def program(name: str) -> Path:
    """The path of a program of this environment, as one would type it here."""
    return short_path(Path(sys.executable).with_name(name))


def _others(path: Path) -> str:
    """List the runs that lie where ``path`` was expected, but never those of a whole disk."""
    parent = path.absolute().parent
    while not parent.is_dir():
        parent = parent.parent
    if parent == parent.parent:
        return ""
    patterns = [depth * "*/" + CONFIG for depth in range(1, 5)]
    try:
        runs = sorted(str(short_path(f.parent)) for each in patterns for f in parent.glob(each))
    except OSError:  # a folder went while it was read
        return ""
    return f"; there are {', '.join(runs[:20])}" if runs else ""
