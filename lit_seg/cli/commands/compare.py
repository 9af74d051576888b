"""``lit_seg compare --losses ce recall --seeds 0 1 2``: trains what is missing, then reports.

Runs lie where ``train`` puts them, <runs>/<data>/<model>/<loss>/seed<k>. Finished ones are left
as they are and stopped ones go on, so the command can be given again after whatever stopped it; one
run that fails does not stop the others. What follows ``--`` goes to every run.
"""

import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Column

from lit_seg.cli.commands.run_command import Parser, console_of_width, one_line_errors, out_folder
from lit_seg.cli.commands.train import add_setting
from lit_seg.cli.layers import layers, names, run_folder
from lit_seg.cli.trainings import RECORD, Run, Trainings, state_of
from lit_seg.errors import RunError, heard_signals, plural
from lit_seg.runs.layout import read_words

_LOOK = 1.0  # seconds between two looks at the trainings
_PRINT = 30.0  # seconds between two lines of progress where there is no terminal


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Run what is missing, then make the report."""
    given, console = arguments(args), console_of_width(200)
    runs = planned(given)
    if given.only is not None:
        if not 0 <= given.only < len(runs):
            raise RunError(f"--only {given.only}: there are the runs 0 to {len(runs) - 1}")
        runs = [runs[given.only]]
    check_same(runs, console)
    states, stopped = train_all(runs, Trainings(given.jobs), console)
    for folder, state in states.items():
        console.out(f"{state:9} {folder}", highlight=False)
    done = [str(run.folder) for run in runs if states[run.folder] == "finished"]
    if given.only is None and done and not stopped:
        out = given.out or runs[0].folder.parent.parent / "report"
        command = [sys.executable, "-m", "lit_seg", "report", *done, "--out", str(out)]
        if subprocess.run(command, check=False).returncode:
            return 1
    if len(done) < len(runs):
        console.out("the same command goes on with what is not finished", highlight=False)
    return 128 + stopped if stopped else int(len(done) < len(runs))


def arguments(args: Sequence[str]) -> Namespace:
    """Parse the command line."""
    own, options = split_options(args)
    parser = Parser("compare", epilog="What follows -- are options of `fit`, for every run.")
    add_setting(parser)
    losses = f"'all', or some of {', '.join(names('loss'))}"
    parser.add_argument("--losses", nargs="+", default=["ce", "recall"], help=losses)
    parser.add_argument("--seeds", nargs="+", default=["0", "1", "2"], help="0 1 2 by default")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--only", type=int, help="train the run of this number, without a report")
    parser.add_argument(
        "--out", type=out_folder, help="folder of the report; beside the runs by default"
    )
    given = parser.parse_args(own, Namespace(options=options))
    given.losses, given.seeds = each_once(given.losses), seeds_of(given.seeds, parser)
    if "all" in given.losses:
        given.losses = names("loss")
    if given.jobs < 1:
        parser.error(f"--jobs must be at least 1, got {given.jobs}")
    return given


def each_once(words: Sequence[str]) -> list[str]:
    """List what stands in words, with spaces or commas between, each once."""
    return list(dict.fromkeys(",".join(words).split(",")))


def seeds_of(words: Sequence[str], parser: Parser) -> list[int]:
    """Read the seeds of a comparison, each once."""
    words = each_once(words)
    for word in words:
        if not (word.isdecimal() and int(word) < 2**32):
            parser.error(f"--seeds must be whole numbers from 0 to 4294967295, got {word!r}")
    return list(dict.fromkeys(map(int, words)))


def split_options(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the words of a comparison into its own, and after ``--`` those for every run."""
    own = list(args)
    end = own.index("--") if "--" in own else len(own)
    return own[:end], own[end + 1 :]


def planned(given: Namespace) -> list[Run]:
    """List all runs, one seed after the other, so that losses can be compared early."""
    runs = []
    for seed in given.seeds:
        for loss in given.losses:
            files = layers(given.data, given.model, loss, given.recipe)
            setting = (given.data, given.model, loss, seed, given.recipe)
            options = ["--seed_everything", str(seed), *given.options]
            runs.append(Run(loss, seed, run_folder(given.runs, *setting), files, options))
    return runs


def check_same(runs: list[Run], console: Console) -> None:
    """Refuse to mix runs that were started with other options."""
    for run in runs:
        before, now = read_words(run.folder / RECORD), run.words
        if before is None and state_of(run) != "missing":
            console.out(
                f"{run.folder}: was not started by a comparison and keeps its own options; the "
                "report names those that differ",
                highlight=False,
            )
        if before is not None:
            check_options(run.folder, before, now)


def check_options(folder: Path, before: list[str], now: list[str]) -> None:
    """Refuse to go on with a run with other options than it was started with."""
    if before != now:
        raise RunError(
            f"{folder} was started with {_differing(before, now)}, now it is "
            f"{_differing(now, before)}: give the same ARGS, or another folder by RUNS=<folder>"
        )


def _differing(words: list[str], others: list[str]) -> str:
    """Write the names and the options with their values that the others lack."""
    lacking = [one for one in _options(words) if one not in _options(others)]
    return " ".join(lacking) or "no more than that"


def _options(words: list[str]) -> list[str]:
    """Join each option with the values that follow it."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1].startswith("--") and not word.startswith("--"):
            joined[-1] += f" {word}"
        else:
            joined.append(word)
    return joined


def train_all(
    runs: list[Run], trainings: Trainings, console: Console
) -> tuple[dict[Path, str], int]:
    """Train what is missing.

    Returns:
        The state of each run, and the signal that stopped all of them, or 0.
    """

    def stop(signum: int, frame: object) -> None:
        trainings.stop(signum)
        console.out("stopping: the runs write their checkpoints", highlight=False)

    old = {number: signal.signal(number, stop) for number in heard_signals()}
    states: dict[Path, str] = {}
    with Display(runs, trainings, console) as display:

        def train(run: Run) -> None:
            if not trainings.stopped and state_of(run) != "finished":
                console.out(f"{run.folder}: training", highlight=False)
            state = trainings.train(run, console)
            if state == "failed" and run.output.exists():
                text = run.output.read_text(encoding="utf-8", errors="replace")
                lines = text.strip().splitlines()
                last = next((line for line in reversed(lines) if line.startswith("error")), "")
                console.out(f"{run.folder}: failed, see {run.output}\n  {last}", highlight=False)
            states[run.folder] = state

        with ThreadPoolExecutor(trainings.jobs) as pool:
            futures = [pool.submit(train, run) for run in runs]
            while wait(futures, timeout=_LOOK).not_done:
                display.show(len(states))
        for future in futures:
            future.result()  # an error of ours is raised here
    for number, handler in old.items():
        signal.signal(number, handler)
    return {run.folder: states[run.folder] for run in runs}, trainings.stopped


class Display:
    """Shows steps and time left: bars on a terminal, else a line per training every 30 seconds."""

    def __init__(self, runs: list[Run], trainings: Trainings, console: Console) -> None:
        self._runs, self._trainings, self._console = runs, trainings, console
        self._done = sum(state_of(run) == "finished" for run in runs)  # before this command
        self._first: dict[Path, float] = {}  # the share of a run that was done when first seen
        self._start = time.monotonic()
        self.next_line = self._start + _PRINT
        text = TextColumn(
            "{task.description}",
            markup=False,  # names may hold brackets
            table_column=Column(no_wrap=True, overflow="ellipsis", ratio=3),
        )
        columns = (text, BarColumn(None, table_column=Column(ratio=1)), TimeElapsedColumn())
        self._bars = Bars(*columns, console=console, expand=True, disable=not console.is_terminal)
        self._whole = self._bars.add_task(f"0 of {plural(len(runs), 'run')}", total=len(runs))
        self._tasks: dict[Path, TaskID] = {}

    def __enter__(self) -> "Display":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        for task in self._tasks.values():
            self._bars.remove_task(task)
        number = len(self._runs)
        self._bars.update(
            self._whole, description=f"{number} of {plural(number, 'run')}", completed=number
        )
        self._bars.stop()

    def show(self, ended: int) -> None:
        """Show the trainings that are under way; ``ended`` runs have ended."""
        progress = {run.folder: self._trainings.progress(run) for run in self._runs}
        now = {folder: found for folder, found in progress.items() if found}
        share = {folder: found.step / found.steps for folder, found in now.items()}
        self._first = share | self._first
        done = ended + sum(share.values())
        whole = f"{ended} of {plural(len(self._runs), 'run')}"
        gained = done - self._done - sum(self._first.values())
        if gained > 0:
            seconds = (time.monotonic() - self._start) * (len(self._runs) - done) / gained
            whole += f", {timedelta(seconds=round(seconds))} left"
        self._bars.update(self._whole, description=whole, completed=done)
        lines = {folder: f"{'/'.join(folder.parts[-2:])}: {now[folder]}" for folder in now}
        for folder in self._tasks.keys() - lines.keys():
            self._bars.remove_task(self._tasks.pop(folder))
        for folder, line in lines.items():
            if folder not in self._tasks:
                self._tasks[folder] = self._bars.add_task(line)
            of = now[folder]
            self._bars.update(
                self._tasks[folder], description=line, completed=of.step, total=of.steps
            )
        if not self._console.is_terminal and time.monotonic() > self.next_line:
            self.next_line = time.monotonic() + _PRINT
            self._console.out(*lines.values(), whole, sep="\n", highlight=False)
