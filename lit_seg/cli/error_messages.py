"""The message that the command line prints for an error."""

import traceback
from argparse import ArgumentError

import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException

from lit_seg.config.parse_errors import explain
from lit_seg.distributed.rank_timeout import lost_rank
from lit_seg.errors import LitSegError


def message_of(error: Exception, command: str) -> str | None:
    """One line for an error that a user can mend; None for one that needs its traceback.

    ``command`` is the name of the command that it ended, or "" if that was not understood.
    """
    if isinstance(error, ArgumentError):
        return explain(error.message, command)
    if not isinstance(error, LitSegError) and isinstance(error.__context__, LitSegError):
        return message_of(error.__context__, command)  # then Lightning failed to end the run
    if lost := _lost_worker(error):
        return lost
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}; look at its path, rights and free space"
    if isinstance(error, LitSegError | OSError | MisconfigurationException):
        # an error in a worker of the loader comes wrapped in the worker's traceback
        return str(error).rsplit(f"{type(error).__name__}: ", 1)[-1].strip()
    if isinstance(error, ValueError):
        return _about_an_option(error)
    text = str(error).strip()
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        first = text.splitlines()[0] if text else "no memory is left"
        return f"{first}. Take a smaller `data.init_args.batch_size`, `height` or `width`"
    return lost_rank(error)


def _lost_worker(error: Exception) -> str | None:
    """The message if a process that loads images has ended, or could not send a batch."""
    text = str(error).strip()
    lines = text.splitlines() or [type(error).__name__]
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    raised_in = frames[-1].f_globals.get("__name__") if frames else ""
    if isinstance(error, RuntimeError) and text.startswith("DataLoader worker"):
        said = lines[0].rstrip(". ")
    elif isinstance(error, OSError | EOFError) and raised_in == "multiprocessing.connection":
        said = f"DataLoader worker: {lines[0]}"  # the connection to it is cut
    elif isinstance(error, RuntimeError) and ("/torch_" in lines[-1] or "ancdata" in lines[-1]):
        said = lines[-1]
    else:
        return None
    if "/torch_" in text or "shared memory" in text:
        return (
            f"{said}: the shared memory (/dev/shm) is full; give it more room (`docker run "
            "--shm-size`), or take fewer processes by `data.init_args.num_workers`, 0 for none"
        )
    if "ancdata" in text:
        return (
            f"{said}: too many files are open; raise their limit (`ulimit -n`), or take fewer "
            "processes by `data.init_args.num_workers`"
        )
    return (
        f"{said}: a process that loads images ended, most often for lack of memory; take fewer by "
        "`data.init_args.num_workers`"
    )


def _about_an_option(error: ValueError) -> str | None:
    """The message if Lightning or an optimizer refused an option; None if our code is at fault."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    module = str(frames[-1].f_globals.get("__name__")) if frames else ""
    for raised_in, option in (
        ("torch.optim.lr_scheduler", "`model.lr_scheduler`: "),
        ("torch.optim.", "`model.optimizer`: "),
        ("lightning_fabric.utilities.seed", "`seed_everything`: "),
        ("pytorch_lightning.", ""),
    ):
        if module.startswith(raised_in):
            return option + str(error).strip()
    return None
