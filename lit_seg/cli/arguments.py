"""Command-line arguments: the name of a run is replaced by options of LightningCLI."""

from pathlib import Path

from lit_seg.cli.commands import SCORERS, TRAINER_COMMANDS
from lit_seg.config.trust import take_option
from lit_seg.errors import RunError
from lit_seg.runs.layout import CONFIG, find_run

_QUIET = {
    "validate": "--verbose=false",  # our table replaces Lightning's table of all logged keys
    "test": "--verbose=false",
}
"""The option that names the run, for each command that uses a trained model."""


def complete_arguments(args: list[str]) -> list[str]:
    """Put the configuration and the folder of the run that is named before the other arguments.

    ``fit --resume RUN`` continues a run in its folder; ``validate`` and ``test`` take ``RUN`` or
    ``--ckpt_path RUN``, or a checkpoint file of a run. All other arguments come after the run's
    configuration, so they override it.
    """
    if not args or args[0] not in TRAINER_COMMANDS:
        return args
    if args[0] in SCORERS and args[1:2] and not args[1].startswith("-"):
        args = [args[0], "--ckpt_path", *args[1:]]
    command, option = args[0], "--resume" if args[0] == "fit" else "--ckpt_path"
    values, others = take_option(args[1:], option)
    if not values:
        if command == "fit" or "--config" in others or "--help" in others:
            return args
        raise run_is_missing(command)
    if not values[-1]:
        raise RunError(f"{option} needs a run, such as runs/streets/unet_resnet18/recall/seed0")
    if command != "fit":
        if "--config" in others:  # the user gives the whole configuration
            return args
        # scores are the same on any number of ranks, so it takes those that are started now
        here = ["--trainer.devices", "auto", "--trainer.num_nodes", "1"]
        others = [_QUIET[command], *here, *others]
    for fixed in {"--run_dir", "--ckpt_path"} - {option}:
        if given := take_option(others, fixed)[0]:
            raise RunError(
                f"{fixed} {given[-1]} cannot be given with {option} {values[-1]}, which names the "
                "folder and the checkpoint; leave it out"
            )
    run = find_run(Path(values[-1]))
    config = ["--config", str(run / CONFIG)]
    return [command, *config, *others, "--run_dir", str(run), "--ckpt_path", values[-1]]


def run_is_missing(command: str | None) -> RunError:
    """Make the error for a command that needs a trained model and got none."""
    return RunError(f"{command} needs a run or a checkpoint: give --ckpt_path runs/...")
