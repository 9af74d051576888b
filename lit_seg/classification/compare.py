"""``compare`` and ``train``: the trainings of methods by name, with the stages that they need.

Finished runs are left as they are and stopped ones go on, so either command can be given again
after whatever stopped it; with other options it is refused. In a comparison the first stage is
trained once per seed, and all second stages begin with it.
"""

import multiprocessing
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any

from rich.console import Console

from lit_seg.classification.parser import ClassifierParser
from lit_seg.classification.rows import (
    FIRST_STAGE,
    PLACE,
    ROWS,
    UNTRAINED,
    is_second,
    run_of,
    usual_loss,
)
from lit_seg.classification.table import evaluation_of, write_table
from lit_seg.cli.commands.compare import (
    check_options,
    check_same,
    each_once,
    seeds_of,
    split_options,
    train_all,
)
from lit_seg.cli.commands.run_command import console_of_width, one_line_errors, out_folder
from lit_seg.cli.layers import names
from lit_seg.cli.trainings import Process, Run, Trainings, state_of
from lit_seg.config.trust import take_option
from lit_seg.errors import RunError, near
from lit_seg.runs.layout import COMMAND, is_taken, read_words


@one_line_errors
def compare(args: Sequence[str]) -> int:
    """Run what is missing, then write the table."""
    given, console = arguments(args), console_of_width(200)
    runs, trained = planned(given)
    check_same(trained, console)
    trainings = ForkedTrainings(given.jobs)
    states: dict[Path, str] = {}
    for second in (False, True):  # a second stage begins when all of the first ones have ended
        part = [run for run in trained if ("--model.stage_one" in run.options) == second]
        if part and not trainings.stopped:
            found, _ = train_all(part, trainings, console)
            states |= found
    for folder, state in states.items():
        if state != "finished":
            console.out(f"{state:9} {folder}", highlight=False)
    if trainings.stopped:
        console.out("the same command goes on with what is not finished", highlight=False)
        return 128 + trainings.stopped
    _test(trained, trainings)
    folders = {key: run.folder for key, run in runs.items()}
    out = given.out or trained[0].folder.parents[2] / "table"
    console.out(write_table(folders, out, title=f"{given.data}, test images"), highlight=False)
    console.out(f"files        {out}", highlight=False)
    done = len(states) == len(trained) and set(states.values()) == {"finished"}
    if not done:
        console.out("the same command goes on with what is not finished", highlight=False)
    return int(not done)


def planned(given: Namespace) -> tuple[dict[tuple[str, int], Run], list[Run]]:
    """The runs of the table by method and seed, and all that are trained for them."""

    def run_for(name: str, seed: int) -> Run:
        row = ROWS[name]
        return run_of(given.data, row.model, row.loss, seed, given.runs, given.options)

    runs = {(name, seed): run_for(name, seed) for seed in given.seeds for name in given.methods}
    needs_first = any(is_second(ROWS[name].model) for name in given.methods)
    first = [run_for("ce", seed) for seed in given.seeds] if needs_first else []
    return runs, list({run.folder: run for run in [*first, *runs.values()]}.values())


@one_line_errors
def train(args: Sequence[str]) -> int:
    """Train a method in this process, after its first stage if that is missing."""
    from lit_seg.classification.cli import check, main

    parser = ClassifierParser(
        "train",
        epilog="All other options are those of `fit`, for both stages, but for "
        "`--model.method_options`, `--model.head` and `--model.loss`, which are for the method "
        "alone.",
    )
    _add_setting(parser)
    parser.add_argument("--model", default="sdn", help=f"one of {', '.join(names('model', PLACE))}")
    loss = f"one of {', '.join(names('loss', PLACE))}; recall in SDN and ce in others by default"
    parser.add_argument("--loss", help=loss)
    parser.add_argument("--seed", type=int, default=0, help="0 by default")
    alone = "train the first stage alone, if the method has one"
    parser.add_argument("--first_stage", action="store_true", help=alone)
    given, options = parser.parse_with_others(args)
    given.loss = given.loss or usual_loss(given.model)
    if given.model in UNTRAINED and given.loss != FIRST_STAGE[1]:
        raise RunError(
            f"LOSS={given.loss}: {given.model} trains nothing, and its first stage is trained by "
            f"{FIRST_STAGE[1]}; leave LOSS out, or take a method that trains, such as crt"
        )
    first_stage = [FIRST_STAGE] if is_second(given.model) else []
    stages = [*first_stage, *([] if given.first_stage else [(given.model, given.loss)])]
    if len(stages) > 1 and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        first = run_of(given.data, *stages[0], given.seed, given.runs)
        if state_of(first) != "finished":  # one process cannot join two groups of ranks
            raise RunError(
                f"{first.folder}: has not finished, and on several ranks each stage is a command: "
                "give the same with --first_stage first"
            )
    second = run_of(given.data, given.model, given.loss, given.seed, given.runs, options)
    runs = []
    for model, loss in stages:
        own = options if model == given.model else without_method_options(options)
        runs.append(run_of(given.data, model, loss, given.seed, given.runs, own))
        # a first stage that has finished may have had options of its own
        if state_of(runs[-1]) == "stopped" or not first_stage or model == given.model:
            _check_started(runs[-1])
    if first_stage and state_of(runs[0]) != "finished" and (code := check(second.command)):
        return code
    for run, stage in zip(runs, stages, strict=True):
        state, is_first = state_of(run), stage in first_stage
        if state == "finished":
            its_own = ", with the options that it was started with" if is_first else ""
            Console().out(f"{run.folder}: finished{its_own}", highlight=False)
        elif state == "missing" and is_first and is_taken(run.folder):
            raise RunError(
                f"{run.folder}: holds a run without a checkpoint, with which {given.model} cannot "
                "begin; move it away, or give another folder by --runs"
            )
        elif code := main(
            ["fit", "--resume", str(run.folder)] if state == "stopped" else run.command
        ):
            return code
        elif is_first and state_of(run) != "finished":
            raise RunError(
                f"{run.folder}: a try (`fast_dev_run`) leaves no first stage for {given.model}; "
                "train it first by --first_stage, without the try"
            )
    return 0


def _check_started(run: Run) -> None:
    """Refuse other options than those that a run was started with, by ``train`` or ``compare``."""
    before = read_words(run.folder / COMMAND)
    if before is not None and state_of(run) != "missing":
        check_options(run.folder, _own_options(before), _own_options(run.command))


def _own_options(command: Sequence[str]) -> list[str]:
    """Leave out of a command what the folder of its run says, and where things lie."""
    options = list(command[1:])
    while options[:1] == ["--config"]:  # the layers; files of the user come after the seed
        del options[:2]
    named = ("--seed_everything", "--test_at_end", "--model.stage_one", "--run_dir", "--trust")
    for name in named:
        options = take_option(options, name)[1]
    return options


def without_method_options(options: Sequence[str]) -> list[str]:
    """Leave out options of a second stage's method, head and loss: those of the first are set."""
    kept = list(options)
    for number, option in reversed(list(enumerate(options))):
        name, equals, _ = option.partition("=")
        if name.startswith(("--model.method_options", "--model.head", "--model.loss")):
            del kept[number : number + (1 if equals else 2)]
    return kept


def _add_setting(parser: ClassifierParser) -> None:
    data = f"a YAML file of your own or one of {', '.join(names('data', PLACE))}"
    parser.add_argument("--data", default="digits_lt", help=data)
    runs = "the folder of all runs; runs by default"
    parser.add_argument("--runs", type=Path, default=Path("runs"), help=runs)


def arguments(args: Sequence[str]) -> Namespace:
    """Parse the command line of ``compare``."""
    own, options = split_options(args)
    parser = ClassifierParser(
        "compare", epilog="What follows -- are options of `fit`, for every run."
    )
    _add_setting(parser)
    methods = f"'all', or some of {', '.join(ROWS)}"
    parser.add_argument("--methods", nargs="+", default=["all"], help=methods)
    parser.add_argument("--seeds", nargs="+", default=["0", "1", "2"], help="0 1 2 by default")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time")
    parser.add_argument(
        "--out", type=out_folder, help="folder of the table; beside the runs by default"
    )
    given = parser.parse_args(own, Namespace(options=options))
    given.methods, given.seeds = each_once(given.methods), seeds_of(given.seeds, parser)
    for name in given.methods:
        if name not in (*ROWS, "all"):
            raise RunError(f"--methods: there is no {name!r}{near(name, ROWS)}")
    if "all" in given.methods:
        given.methods = list(ROWS)
    if given.jobs < 1:
        parser.error(f"--jobs must be at least 1, got {given.jobs}")
    return given


class ForkedTrainings(Trainings):
    """Trainings in processes that are forked from one that has imported all.

    The runs of small datasets take seconds, as long as the imports.
    """

    def __init__(self, jobs: int) -> None:
        super().__init__(jobs)
        # that of this process is not used: it would be of all that the process does
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["lit_seg.classification.cli", "sklearn.datasets"])

    def start(
        self, command: list[str], output: IO[bytes], env: dict[str, str], lock: int
    ) -> Process:
        """Fork a process that runs the command and inherits the lock."""
        given = (command, _Descriptor(output.fileno()), _Descriptor(lock), env)
        process = self._context.Process(target=run_command, args=given)
        process.start()
        return _Forked(process)

    def test(self, run: Run) -> None:
        """Score the test images by a finished run."""
        env = {**os.environ, "OMP_NUM_THREADS": self.threads}
        with run.output.open("ab") as output:
            self.start(["test", str(run.folder)], output, env, output.fileno()).wait()


class _Descriptor:
    """A file descriptor that a process gets when it starts."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __reduce__(self) -> Any:
        return _detached, (DupFd(self.number),)


def _detached(descriptor: Any) -> int:
    return int(descriptor.detach())


class _Forked:
    """A process of multiprocessing in the words of ``subprocess.Popen``."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    def wait(self) -> int:
        self._process.join()
        return self._process.exitcode or 0

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, sig: int, /) -> None:
        if self._process.pid is not None:
            os.kill(self._process.pid, sig)


def run_command(command: list[str], output: int, lock: int, env: dict[str, str]) -> None:
    """Run ``fit`` or ``test`` in this process, which writes to ``output`` and holds ``lock``."""
    import torch

    from lit_seg.classification.cli import main

    os.setsid()  # Ctrl-C in the terminal goes to the comparison alone
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ.update(env)
    torch.set_num_threads(int(env["OMP_NUM_THREADS"]))
    sys.argv[0] = "lit_seg.classification"
    code = main(command)
    sys.stdout.flush()
    os._exit(code)


def _test(runs: Sequence[Run], trainings: ForkedTrainings) -> None:
    """Score the test images by finished runs that were killed before they did."""
    for run in runs:
        if (
            state_of(run) == "finished"
            and evaluation_of(run.folder) is None
            and not trainings.stopped
        ):
            trainings.test(run)
