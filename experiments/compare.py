"""Train several losses on several seeds, then report on them: what `make compare` runs.

    python experiments/compare.py --data camvid --losses ce recall --seeds 0 1 2

Runs lie where `make train` puts them, <runs>/<data>/<model>/<loss>/seed<k>. Finished ones are left
as they are and stopped ones go on, so the command can be given again after whatever stopped it; one
run that fails does not stop the others. What follows `--` goes to every run.
"""

import argparse
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from lit_seg.cli.output import lasting_output
from lit_seg.errors import heard_signals
from lit_seg.files.atomic_io import replace_text, without_links
from lit_seg.runs.layout import LOCK, is_finished

EXPERIMENTS = Path(__file__).absolute().parent
RECORD = "compare.json"  # in a run's folder: the options it was started with


@dataclass(frozen=True)
class Run:
    """A loss and a seed, the folder they are trained in, the configurations and options given."""

    loss: str
    seed: int
    folder: Path
    layers: list[Path]
    options: list[str]

    @property
    def output(self) -> Path:
        """What the run prints."""
        return self.folder / "output.txt"

    @property
    def command(self) -> list[str]:
        """What starts it."""
        layers = [word for file in self.layers for word in ("--config", str(file))]
        return ["fit", *layers, *self.options, "--run_dir", str(self.folder)]

    @property
    def words(self) -> list[str]:
        """The same wherever project and runs lie: what is recorded."""
        own = [file.is_relative_to(EXPERIMENTS) for file in self.layers]
        names = [
            str(file.relative_to(EXPERIMENTS) if mine else file)
            for file, mine in zip(self.layers, own, strict=True)
        ]
        return [*names, *self.options]


def layer(kind: str, name: str) -> Path:
    """The YAML file that a name stands for; of data a file may be given, too."""
    own = kind == "data" and name.endswith((".yaml", ".yml"))
    path = Path(name).absolute() if own else EXPERIMENTS / kind / f"{name}.yaml"
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in (EXPERIMENTS / kind).glob("*.yaml")))
        sys.exit(f"error: unknown {kind} {name}; there are: {there}")
    return path


def papers_options(recipe: str, loss: str) -> list[Path]:
    """The options that a loss has in the paper of a recipe, where those are not the defaults."""
    paper = recipe.partition("_")[0]
    path = EXPERIMENTS / "loss" / f"of_{paper}_paper" / f"{loss}.yaml"
    return [path] if path.is_file() else []


def planned(args: argparse.Namespace) -> list[Run]:
    """All runs, one seed after the other: the first losses can be compared early."""
    data = layer("data", args.data)
    name = data.stem.replace(" ", "_") + (f"-{args.recipe}" if args.recipe else "")
    root = args.runs / name / args.model
    recipe = [layer("recipe", args.recipe)] if args.recipe else []
    runs = []
    for seed in args.seeds:
        for loss in args.losses:
            model = layer("model", args.model)
            files = [EXPERIMENTS / "base.yaml", data, *recipe, model, layer("loss", loss)]
            files += papers_options(args.recipe, loss)
            options = ["--seed_everything", str(seed), *args.options]
            runs.append(Run(loss, seed, root / loss / f"seed{seed}", files, options))
    return runs


def state_of(run: Run) -> str:
    """Whether a run is ``finished``, ``stopped``, so that it can go on, or ``missing``."""
    if is_finished(run.folder):
        return "finished"
    return "stopped" if (run.folder / "checkpoints" / "last.ckpt").exists() else "missing"


def recorded(run: Run) -> list[str] | None:
    """What a run was started with by this command; None if it was not."""
    try:
        return [str(word) for word in json.loads((run.folder / RECORD).read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError):
        return None


def check_same(runs: list[Run], console: Console) -> None:
    """Refuse to mix runs that were started with other options."""
    for run in runs:
        before, now = recorded(run), run.words
        if before is None and state_of(run) != "missing":
            console.print(
                f"{run.folder}: was not started by a comparison and keeps its own options; the "
                "report names those that differ",
                highlight=False,
            )
        if before is None or before == now:
            continue
        sys.exit(
            f"error: {run.folder} was started with {differing(before, now)}, now it is "
            f"{differing(now, before)}: give the same ARGS, or another folder by RUNS=<folder>"
        )


def differing(words: list[str], others: list[str]) -> str:
    """The words that the others lack, each after the option that it is of."""
    shown = []
    for option, word in zip(["", *words], words, strict=False):
        if word not in others:
            shown += [option, word] if option.startswith("--") and option in others else [word]
    return " ".join(shown) or "no more than that"


@contextmanager
def locked(run: Run, trainings: "Trainings", console: Console) -> Iterator[int]:
    """Hold a run for this process and what it starts; wait while another process trains it."""
    run.folder.mkdir(parents=True, exist_ok=True)
    with open(run.folder / ".lock", "a", encoding="utf-8", opener=without_links) as file:
        waiting = False
        while not trainings.stopped:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waiting:
                    console.print(f"{run.folder}: another process trains it; waiting")
                waiting = True
                time.sleep(0.5)  # and not within flock, which no signal would end
        yield file.fileno()


def taken(folder: Path) -> bool:
    """Whether `fit` would leave a folder alone and take another."""
    return any((folder / name).exists() for name in ("metrics.csv", "classes.csv", "checkpoints"))


def clear(folder: Path) -> None:
    """Take away what a run left that ended before its first checkpoint; its record comes last."""
    left = [path for path in folder.iterdir() if path.name not in (".lock", LOCK, RECORD)]
    for path in [*left, folder / RECORD]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


class Trainings:
    """The training processes that are under way."""

    def __init__(self, jobs: int) -> None:
        self.stopped = 0  # the signal that asked for it
        self._processes: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self._devices: SimpleQueue[str | None] = SimpleQueue()  # a GPU for each job
        gpus = _gpus()
        for job in range(jobs):
            self._devices.put(gpus[job % len(gpus)] if gpus and jobs > 1 else None)
        self._threads = str(max(1, (os.cpu_count() or 1) // jobs))

    def train(self, run: Run, console: Console) -> str:
        """Train a run, or what is left of it; returns the state it is in then."""
        with locked(run, self, console) as lock:
            if self.stopped or state_of(run) == "finished":
                return state_of(run)
            if state_of(run) == "stopped":
                command = ["fit", "--resume", str(run.folder)]
            elif (run.folder / RECORD).exists() or not taken(run.folder):
                clear(run.folder)  # else the run would go to another folder
                command = run.command
                replace_text(run.folder / RECORD, json.dumps(run.words))
            else:
                console.print(
                    f"{run.folder}: holds a run without a checkpoint that was not started here; "
                    "move it away, or give another folder by RUNS=<folder>",
                    highlight=False,
                )
                return "failed"
            device = self._devices.get()
            try:
                code = self._call(run, command, device, lock)
            finally:
                self._devices.put(device)
        return state_of(run) if self.stopped or not code else "failed"

    def _call(self, run: Run, command: list[str], device: str | None, lock: int) -> int:
        env = {"OMP_NUM_THREADS": self._threads, **os.environ}
        if device is not None:
            env["CUDA_VISIBLE_DEVICES"] = device
        with open(run.output, "ab", opener=without_links) as output, self._lock:
            if self.stopped:
                return 1
            # it inherits the lock: should this process die, the run stays taken until it ends
            process = subprocess.Popen(
                [sys.executable, "-m", "lit_seg", *command],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=env, pass_fds=(lock,), start_new_session=True,
            )  # fmt: skip
            self._processes.append(process)
        return process.wait()

    def stop(self, signum: int) -> None:
        """Let the runs write a checkpoint and end, as a signal asked."""
        with self._lock:
            self.stopped = signum
            for process in self._processes:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)


def _gpus() -> list[str]:
    """The GPUs that may be used, without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name]
    try:
        command = ["nvidia-smi", "-L"]
        listed = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return [str(i) for i in range(len(listed.stdout.splitlines()))]


def train_all(runs: list[Run], jobs: int, console: Console) -> tuple[dict[Path, str], int]:
    """Train what is missing; the state of each run, and the signal that stopped it all or 0."""
    trainings = Trainings(jobs)

    def stop(signum: int, frame: object) -> None:
        trainings.stop(signum)
        console.print("stopping: the runs write their checkpoints")

    old = {number: signal.signal(number, stop) for number in heard_signals()}
    states: dict[Path, str] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("runs", total=len(runs))

        def train(run: Run) -> None:
            if not trainings.stopped and state_of(run) != "finished":
                progress.console.print(f"{run.folder}: training", highlight=False)
            state = trainings.train(run, progress.console)
            states[run.folder] = state
            if state == "failed" and run.output.exists():
                text = run.output.read_text(encoding="utf-8", errors="replace")
                lines = text.strip().splitlines()
                last = next((line for line in reversed(lines) if line.startswith("error")), "")
                progress.console.print(
                    f"{run.folder}: failed, see {run.output}\n  {escape(last)}", highlight=False
                )
            progress.advance(bar)

        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(train, runs))
    for number, handler in old.items():
        signal.signal(number, handler)
    return states, trainings.stopped


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="streets")
    parser.add_argument("--model", default="unet_resnet18")
    parser.add_argument("--recipe", default="")
    parser.add_argument("--losses", nargs="+", default=["ce", "recall"], help="'all' for all")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--only", type=int, help="train the run of this number, without a report")
    parser.add_argument("--out", type=Path, help="folder of the report; beside the runs by default")
    own, options = sys.argv[1:], []
    if "--" in own:
        own, options = own[: own.index("--")], own[own.index("--") + 1 :]
    args = parser.parse_args(own)
    args.options = options
    if "all" in args.losses:
        args.losses = sorted(path.stem for path in (EXPERIMENTS / "loss").glob("*.yaml"))
    if args.jobs < 1:
        parser.error(f"--jobs must be at least 1, got {args.jobs}")
    return args


def main() -> int:
    """Run what is missing, then make the report."""
    args, console = arguments(), Console()
    runs = planned(args)
    if args.only is not None:
        if not 0 <= args.only < len(runs):
            sys.exit(f"error: --only {args.only}: there are the runs 0 to {len(runs) - 1}")
        runs = [runs[args.only]]
    check_same(runs, console)
    states, stopped = train_all(runs, args.jobs, console)
    table = Table("run", "state")
    for folder, state in states.items():
        table.add_row(str(folder), state)
    console.print(table)
    done = [str(run.folder) for run in runs if states[run.folder] == "finished"]
    if args.only is None and done and not stopped:
        out = args.out or runs[0].folder.parent.parent / "report"
        command = [sys.executable, "-m", "lit_seg", "report", *done, "--out", str(out)]
        if subprocess.run(command, check=False).returncode:
            return 1
    if len(done) < len(runs):
        console.print("the same command goes on with what is not finished")
    return 128 + stopped if stopped else int(len(done) < len(runs))


if __name__ == "__main__":
    with lasting_output():
        code = main()
    sys.exit(code)
