"""Runs the commands that train, score and predict; errors become one line and an exit code."""

import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pytorch_lightning.utilities.exceptions import SIGTERMException

from lit_seg.cli.arguments import complete_arguments
from lit_seg.cli.commands import TRAINER_COMMANDS
from lit_seg.cli.error_messages import report_error
from lit_seg.cli.lightning_cli import LitSegCLI, RunConfig
from lit_seg.cli.misplaced_keys import check_config_files
from lit_seg.cli.output import lasting_output
from lit_seg.config.trust import only_trusted, take_trusted
from lit_seg.distributed.rank_timeout import end_process
from lit_seg.errors import StopRequest, heard_signals, ignore_signals

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
        code = report_error(error, command, shows_traceback)
    finally:
        wandb = sys.modules.get("wandb")  # imported by what uses it
        if wandb is not None and wandb.run is not None:
            wandb.finish(exit_code=code)
    return code
