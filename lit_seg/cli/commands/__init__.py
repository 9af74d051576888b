"""The commands of ``lit_seg``, one module each but for those that LightningCLI runs.

Each module has a function ``main(args)``, which returns the exit code. No library is imported here,
so that a list of the commands, or a misspelt one, takes no time.
"""

from importlib import import_module
from typing import Any

from lit_seg.errors import RunError, reason_of

COMMANDS = {
    "train": "trains a loss on a dataset, both by name",
    "predict": "labels images and videos with a run or an export",
    "compare": "trains several losses on several seeds, then reports on them",
    "report": "compares finished runs, as one HTML page and as Markdown",
    "diagnose": "tells whether imbalance limits a run, and which loss to try next",
    "export": "writes a run as one file that runs without lit_seg (torch, ONNX)",
    "losses": "lists the losses, their formulas and where they come from",
    "data": "lists the datasets, and downloads, checks, counts and draws them",
    "dashboard": "publishes a view and a report of the runs in W&B",
}
"""What each command does."""

TRAINER_COMMANDS = {
    "fit": "trains by configuration files, or goes on with a run by --resume",
    "validate": "scores a run or a checkpoint on the validation images",
    "test": "scores a run or a checkpoint on the test images",
}
"""The commands that LightningCLI runs."""

SCORERS = {"validate": "val", "test": "test"}
"""Those of them that score a split of the data."""

USAGE = "\n".join(
    [
        "usage: lit_seg COMMAND [options]",
        "",
        *(f"  {name:10}{what}" for name, what in (COMMANDS | TRAINER_COMMANDS).items()),
        "",
        "`lit_seg COMMAND --help` lists the options of a command; after an error",
        "`--traceback` shows where it happened. `python -m lit_seg` is the same.",
        "",
    ]
)


def load_module(module: str) -> Any:
    """Import what a command needs.

    Raises:
        RunError: if a library cannot be loaded, as where there is little memory.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError:
        raise
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__:  # what a library says around it may be a page of advice
            cause = cause.__cause__
        raise RunError(
            f"a library cannot be loaded ({type(cause).__name__}: {reason_of(cause)}); look at the "
            "limits of the system (`ulimit -a`), or install lit_seg and what it needs again; "
            f"`python -c 'import {module}'` shows where"
        ) from error
