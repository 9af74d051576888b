"""Runs the commands that train, score and predict; errors become one line and an exit code."""

import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pytorch_lightning.utilities.exceptions import SIGTERMException

from lit_seg.cli.commands import SCORERS, TRAINER_COMMANDS
from lit_seg.cli.error_messages import report_error
from lit_seg.cli.lightning_cli import LitSegCLI, RunConfig, run_is_missing
from lit_seg.cli.misplaced_keys import check_config_files
from lit_seg.cli.output import lasting_output
from lit_seg.config.trust import only_trusted, take_option, take_trusted
from lit_seg.distributed.rank_timeout import end_process
from lit_seg.errors import RunError, StopRequest, heard_signals, ignore_signals
from lit_seg.runs.layout import CONFIG, find_run

# Lightning advertises other products in messages with this sign
logging.getLogger("pytorch_lightning.utilities.rank_zero").addFilter(
    lambda record: "💡" not in record.getMessage()
)
# Lightning calls a function that newer releases of torch deprecate
warnings.filterwarnings("ignore", ".*LeafSpec.*")
# it advises to reduce over ranks, which the logged values already are
warnings.filterwarnings("ignore", ".*sync_dist=True.*")
# it does not know that our sampler skips what an interrupted epoch has seen
warnings.filterwarnings("ignore", ".*your dataloader is not resumable.*")
# a frozen encoder is meant to be in eval mode
warnings.filterwarnings("ignore", ".*in eval mode at the start of training.*")


def main(args: Sequence[str] | None = None, cli: type[LitSegCLI] | None = None) -> int:
    """Run a command and return its exit code.

    The code is 0 after success, 2 after an error that the user can mend, 1 after one of the code,
    and 128 plus the signal's number after a signal.
    """
    if args is not None:
        sys.argv[1:] = args
    with lasting_output(), _signals_end_it():
        return end_process(_run_command(cli or LitSegCLI))


@contextmanager
def _signals_end_it() -> Iterator[None]:
    """Let a signal end what comes before the first step; Lightning knows Ctrl-C and SIGTERM."""

    def stop(signum: int, frame: object) -> None:
        raise StopRequest(signum, early=True)

    if threading.current_thread() is not threading.main_thread():  # only that one may
        yield
        return
    before = {signum: signal.signal(signum, stop) for signum in heard_signals()}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


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
        # our table replaces Lightning's table of all logged keys
        others = ["--verbose=false", *here, *others]
    for fixed in {"--run_dir", "--ckpt_path"} - {option}:
        if given := take_option(others, fixed)[0]:
            raise RunError(
                f"{fixed} {given[-1]} cannot be given with {option} {values[-1]}, which names the "
                "folder and the checkpoint; leave it out"
            )
    run = find_run(Path(values[-1]))
    config = ["--config", str(run / CONFIG)]
    return [command, *config, *others, "--run_dir", str(run), "--ckpt_path", values[-1]]


def _run_command(cli: type[LitSegCLI]) -> int:
    code = 1
    shows_traceback = "--traceback" in sys.argv
    sys.argv[1:] = [word for word in sys.argv[1:] if word != "--traceback"]
    try:
        sys.argv[1:], packages = take_trusted(sys.argv[1:])
        sys.argv[1:] = complete_arguments(sys.argv[1:])
        with only_trusted(sys.argv[1:], packages, cli.own):
            check_config_files(sys.argv[1:], cli.datasets, cli.module)
            cli(
                cli.module,
                cli.data,
                subclass_mode_data=True,
                seed_everything_default=0,
                save_config_callback=RunConfig,
                trainer_defaults={
                    "use_distributed_sampler": False,
                    "enable_model_summary": False,  # `RunSummary` prints it in one line
                },
            )
        code = 0
    except StopRequest as stop:
        if stop.early:
            by = "" if stop.signum == signal.SIGINT else f" by {signal.Signals(stop.signum).name}"
            sys.stderr.write(f"stopped{by}\n")
        code = 128 + stop.signum
    except SIGTERMException:  # Lightning's, before our handler is set; its exit code would be 0
        code = 128 + signal.SIGTERM
    except Exception as error:
        ignore_signals()  # a launcher signals the others when one rank ends: each still says why
        command = next((word for word in sys.argv[1:2] if word in TRAINER_COMMANDS), "")
        code = report_error(error, f"{cli.program} {command}".strip(), shows_traceback)
    finally:
        wandb = sys.modules.get("wandb")  # imported by what uses it
        if wandb is not None and wandb.run is not None:
            wandb.finish(exit_code=code)
    return code
