"""What the command line says of an error: one line, or nothing where the code is at fault."""

from argparse import ArgumentError

import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException

from lit_seg.config.parse_errors import complaint_about_options, explain
from lit_seg.distributed.rank_timeout import lost_rank
from lit_seg.errors import LitSegError


def message_of(error: Exception, command: str) -> str | None:
    """The line for an error that a user can mend; None for one that needs its traceback.

    Args:
        error: what ended the command.
        command: its name, or "" if it was not understood.
    """
    if isinstance(error, ArgumentError):
        return explain(error.message, command)
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}; look at its path, rights and free space"
    if isinstance(error, LitSegError | OSError | MisconfigurationException):
        # an error of a loader's worker comes wrapped in the worker's traceback
        return str(error).rsplit(f"{type(error).__name__}: ", 1)[-1].strip()
    if isinstance(error, ValueError):
        return complaint_about_options(error)
    text = str(error).strip()
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
        first = text.splitlines()[0] if text else "no memory is left"
        return f"{first}. Take a smaller `data.init_args.batch_size`, `height` or `width`"
    if isinstance(error, RuntimeError) and text.startswith("DataLoader worker"):
        return (
            f"{text.splitlines()[0]}: a process that loads images ended, most often for lack of "
            "memory; take fewer by `data.init_args.num_workers`"
        )
    return lost_rank(error)
