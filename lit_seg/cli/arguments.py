"""Command-line arguments: the name of a run is replaced by options of LightningCLI."""

from argparse import ArgumentParser
from pathlib import Path

from lit_seg.errors import RunError
from lit_seg.runs.checkpoint_files import find_checkpoint
from lit_seg.runs.layout import CONFIG, find_run

_QUIET = {
    "validate": "--verbose=false",  # our table replaces Lightning's table of all logged keys
    "test": "--verbose=false",
    "predict": "--return_predictions=false",  # the writer stores them, so memory need not
}
"""The option that each command gets which uses a trained model."""

TRAINER_COMMANDS = ("fit", *_QUIET)
"""The commands that LightningCLI runs."""


def complete_arguments(args: list[str]) -> list[str]:
    """Replace the name of a run by the run's configuration, folder and checkpoint.

    ``fit --resume RUN`` continues a run from its last checkpoint and in its folder.
    ``validate``, ``test`` and ``predict`` with ``--ckpt_path RUN`` use the run's best checkpoint;
    a checkpoint file may be given instead. All other arguments come after the run's configuration,
    so they override it.

    Raises:
        RunError: if there is no such run, or the run holds no checkpoint.
    """
    if not args or args[0] not in TRAINER_COMMANDS:
        return args
    command, rest = args[0], args[1:]
    if command == "fit":
        value, rest = _take(rest, "--resume")
        if value is None:
            return args
        checkpoint = find_checkpoint(Path(value), prefer="last")
    else:
        value, others = _take(rest, "--ckpt_path")
        if value is None:
            if "--config" in rest or "--help" in rest:
                return args
            raise run_is_missing(command)
        checkpoint = find_checkpoint(Path(value), prefer="best")
        if "--config" in rest:  # the user gives the whole configuration
            return [command, *others, "--ckpt_path", str(checkpoint)]
        # scores are the same on any number of ranks, so it takes those that are started now
        here = ["--trainer.devices", "auto", "--trainer.num_nodes", "1"]
        rest = [_QUIET[command], *here, *others]
    run = find_run(Path(value))
    config = ["--config", str(run / CONFIG)]
    return [command, *config, *rest, "--run_dir", str(run), "--ckpt_path", str(checkpoint)]


def run_is_missing(command: str | None) -> RunError:
    """The error for a command that needs a trained model and got none."""
    return RunError(f"{command} needs a run or a checkpoint: give --ckpt_path runs/...")


def _take(args: list[str], option: str) -> tuple[str | None, list[str]]:
    """The value of an option, None if it is not given, and the other arguments."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(option, nargs="?", const="", dest="run")
    given, others = parser.parse_known_args(args)
    if given.run == "":
        raise RunError(f"{option} needs a run, such as runs/streets/unet_resnet18/recall/seed0")
    return given.run, others
