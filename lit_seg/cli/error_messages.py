"""The message that the command line prints for an error."""

import inspect
import pkgutil
import reprlib
import sys
import traceback
from argparse import ArgumentError
from collections.abc import Iterable
from pathlib import Path
from types import FrameType, ModuleType

import pytorch_lightning
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException

import lit_seg.data
import lit_seg.losses
from lit_seg.cli.output import print_error
from lit_seg.config.parse_errors import explain
from lit_seg.distributed.rank_timeout import lost_rank
from lit_seg.errors import LitSegError, reason_of


def report_error(error: Exception, command: str, shows_traceback: bool) -> int:
    """Print in one line what went wrong, after the traceback if it is asked for.

    Returns:
        The exit code.
    """
    message, code = message_of(error, command), 2
    if message is None:
        message, code = unforeseen(error)
    if shows_traceback:
        traceback.print_exception(error)
    print_error(message)
    return code


def message_of(error: Exception, command: str) -> str | None:
    """Write one line for an error that a user can mend; None for one that needs its traceback.

    ``command`` is what it ended, such as ``python -m lit_seg fit``.
    """
    if isinstance(error, ArgumentError):
        return explain(error.message, command, _known)
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


_CLASSES: dict[str, ModuleType] = {
    "data": lit_seg.data,
    "sampling": lit_seg.data,
    "loss": lit_seg.losses,
    "optimizer": torch.optim,
    "lr_scheduler": torch.optim.lr_scheduler,
    "callbacks": pytorch_lightning.callbacks,
    "logger": pytorch_lightning.loggers,
}
"""The packages of the classes that an option may name, by the last word of the option."""


def _known(option: str, owner: str) -> Iterable[str]:
    """List the options of the class ``owner``; without one, the classes that an option may name."""
    try:
        classes = inspect.getmro(pkgutil.resolve_name(owner)) if owner else ()
    except (AttributeError, ImportError):  # there is none of this name
        classes = ()
    if not classes:
        return [n for n in dir(_CLASSES.get(option.rpartition(".")[2])) if n[0].isupper()]
    return [name for cls in classes for name in inspect.signature(cls).parameters]


def _lost_worker(error: Exception) -> str | None:
    """Write the message if a process that loads images has ended, or could not send a batch."""
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
    """Write the message if Lightning or an optimizer refused an option; None for other errors."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    module = str(frames[-1].f_globals.get("__name__")) if frames else ""
    if module.startswith("pytorch_lightning."):  # it names the option
        return str(error).strip()
    if module.startswith(("torch.optim.", "lightning_fabric.utilities.seed")):
        return f"{_subject_of(module)}: {str(error).strip()}"
    return None


_SUBJECTS = (
    ("torch.optim.lr_scheduler", "`model.lr_scheduler`"),
    ("torch.optim", "`model.optimizer`"),
    (("segmentation_models_pytorch", "timm"), "`model`"),
    ("pytorch_lightning.callbacks.timer", "`trainer.max_time`"),
    ("pytorch_lightning.callbacks", "`trainer.callbacks`"),
    ("pytorch_lightning.loggers", "`trainer.logger`"),
    ("pytorch_lightning.profilers", "`trainer.profiler`"),
    ("pytorch_lightning.tuner", "`trainer.callbacks`"),
    (("pytorch_lightning.strategies", "lightning_fabric.strategies"), "`trainer.strategy`"),
    (("pytorch_lightning.plugins", "lightning_fabric.plugins"), "`trainer.plugins`"),
    (("pytorch_lightning.accelerators", "lightning_fabric.accelerators"), "`trainer.devices`"),
    ("lightning_fabric.utilities.seed", "`seed_everything`"),
    (("pytorch_lightning", "lightning_fabric"), "`trainer`"),
    ("wandb", "W&B"),
    (("albumentations", "cv2", "PIL", "lit_seg.data"), "`data`"),
    ("lit_seg.losses", "`model.loss`"),
    ("lit_seg.tasks", "`model`"),
    ("jsonargparse", "the options"),
)
"""The option that concerns the code of a module, the innermost module first."""


def unforeseen(error: Exception) -> tuple[str, int]:
    """Write one line for an error that nothing above has foreseen, and choose the exit code.

    If a library raised it, what it was given is most likely wrong, and the code is 2. If code of
    this project or of the user did, the line says where, and the code is 1.
    """
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)][::-1]
    # the standard library is only where our code, or a library's, fails
    frame = next((f for f in frames if not _is_standard(f)), None)
    what = f"{type(error).__name__}: {reason_of(error)}"
    file = next((f"{path}, " for f in frames if (path := _path_in(f))), "")
    if frame is None or "site-packages" not in frame.f_code.co_filename:
        where = f" (in {frame.f_code.co_qualname} of {_of(frame)})" if frame else ""
        return (
            f"{file}{what}{where}: this was not foreseen and may be a mistake of the code; "
            "`--traceback` shows all of it"
        ), 1
    for each in frames:
        if subject := _subject_of(_of(each)):
            return f"{subject}{_given(each)}: {file}{what}; `--traceback` shows where", 2
    return f"{file}{what}; `--traceback` shows where", 2


def _subject_of(module: str) -> str | None:
    return next((said for prefix, said in _SUBJECTS if module.startswith(prefix)), None)


def _of(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_standard(frame: FrameType) -> bool:
    return _of(frame).partition(".")[0] in sys.stdlib_module_names and _of(frame) != "__main__"


def _path_in(frame: FrameType) -> Path | None:
    """Find the file that a function of this project works on."""
    if not _of(frame).startswith("lit_seg."):
        return None
    return next((value for value in frame.f_locals.values() if isinstance(value, Path)), None)


def _given(frame: FrameType) -> str:
    """Write what a constructor was given, as far as it is plain."""
    code = frame.f_code
    if code.co_name != "__init__":
        return ""
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    values = {name: frame.f_locals.get(name) for name in names}
    plain = (int, float, str, tuple, type(None))
    shown = [f"{n}={reprlib.repr(v)}" for n, v in values.items() if isinstance(v, plain)]
    return f" ({', '.join(shown)})" if shown else ""
