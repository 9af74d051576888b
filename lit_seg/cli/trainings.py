"""Starts, resumes, watches and stops trainings in processes of their own."""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Protocol

from rich.console import Console

from lit_seg.cli.layers import EXPERIMENTS, config_options
from lit_seg.errors import RunError
from lit_seg.files.atomic_io import replace_text, without_links
from lit_seg.runs.layout import CHECKPOINTS, LOCK, is_taken
from lit_seg.runs.summary_schema import is_finished

RECORD = "compare.json"  # in a run's folder: the options it was started with
_LINE = re.compile(
    rb"^(?:done: )?step (\d+) of (\d+)(?:.*?, ((?:at least )?(?:\d+ days?, )?[\d:]+) left)?",
    re.MULTILINE,
)
_TAIL = 4096  # bytes in which the last line of progress lies


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
        """The file that gets what the run prints."""
        return self.folder / "output.txt"

    @property
    def command(self) -> list[str]:
        """The command that starts the run."""
        return ["fit", *config_options(self.layers), *self.options, "--run_dir", str(self.folder)]

    @property
    def words(self) -> list[str]:
        """The recorded command, which does not depend on where project and runs lie."""
        names = (str(file).removeprefix(f"{EXPERIMENTS}{os.sep}") for file in self.layers)
        return [*names, *self.options]


@dataclass(frozen=True)
class Progress:
    """How far a training is: steps, and the time left as the run writes it; empty if unknown."""

    step: int
    steps: int
    left: str

    def __str__(self) -> str:
        left = f", {self.left} left" if self.left else ""
        return f"step {self.step} of {self.steps}{left}"


def state_of(run: Run) -> str:
    """Say whether a run is ``finished``, ``stopped``, so that it can go on, or ``missing``."""
    with suppress(RunError):  # a damaged summary is written anew when the run goes on
        if is_finished(run.folder):
            return "finished"
    return "stopped" if (run.folder / CHECKPOINTS / "last.ckpt").exists() else "missing"


@contextmanager
def _locked(run: Run, trainings: "Trainings", console: Console) -> Iterator[int]:
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
                    console.out(f"{run.folder}: another process trains it; waiting")
                waiting = True
                time.sleep(0.5)  # and not within flock, which no signal would end
        yield file.fileno()


def _clear(folder: Path) -> None:
    """Remove the files of a run that ended before its first checkpoint; its record comes last."""
    left = [path for path in folder.iterdir() if path.name not in (".lock", LOCK, RECORD)]
    for path in [*left, folder / RECORD]:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


class Process(Protocol):
    """What is asked of a process, in the words of ``subprocess.Popen``."""

    def wait(self) -> int: ...
    def poll(self) -> int | None: ...
    def send_signal(self, sig: int, /) -> None: ...


class Trainings:
    """The training processes that are under way, each a command line of its own."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self.stopped = 0  # the signal that asked for it
        self._processes: list[Process] = []
        self._output: dict[Path, int] = {}  # where the output of each run that trains begins
        self._lock = threading.Lock()
        self._devices: SimpleQueue[str | None] = SimpleQueue()  # a GPU for each job
        gpus = _gpus()
        for job in range(jobs):
            self._devices.put(gpus[job % len(gpus)] if gpus and jobs > 1 else None)
        self.threads = str(max(1, (os.cpu_count() or 1) // jobs))

    def train(self, run: Run, console: Console) -> str:
        """Train a run, or what is left of it, and return its state after that."""
        with _locked(run, self, console) as lock:
            if self.stopped or state_of(run) == "finished":
                return state_of(run)
            if state_of(run) == "stopped":
                command = ["fit", "--resume", str(run.folder)]
            elif (run.folder / RECORD).exists() or not is_taken(run.folder):
                if (run.folder / RECORD).exists():
                    _clear(run.folder)  # else the run would go to another folder
                command = run.command
                replace_text(run.folder / RECORD, json.dumps(run.words))
            else:
                console.out(
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

    def progress(self, run: Run) -> Progress | None:
        """Read how far a training run is; None if it does not train, or has done no step yet."""
        start = self._output.get(run.folder)
        if start is None:
            return None
        with run.output.open("rb") as file:
            file.seek(max(start, run.output.stat().st_size - _TAIL))
            found = _LINE.findall(file.read())
        if not found:
            return None
        step, steps, left = found[-1]
        return Progress(int(step), int(steps), left.decode())

    def _call(self, run: Run, command: list[str], device: str | None, lock: int) -> int:
        env = {"OMP_NUM_THREADS": self.threads, **os.environ}
        if device is not None:
            env["CUDA_VISIBLE_DEVICES"] = device
        with open(run.output, "ab", opener=without_links) as output, self._lock:
            if self.stopped:
                return 1
            self._output[run.folder] = output.tell()
            process = self.start(command, output, env, lock)
            self._processes.append(process)
        try:
            return process.wait()
        finally:
            del self._output[run.folder]

    def start(
        self, command: list[str], output: IO[bytes], env: dict[str, str], lock: int
    ) -> Process:
        """Start a process of ``lit_seg`` that inherits the lock.

        Should this process die, the run stays taken until that one ends.
        """
        return subprocess.Popen(
            [sys.executable, "-m", "lit_seg", *command],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env=env, pass_fds=(lock,), start_new_session=True,
        )  # fmt: skip

    def stop(self, signum: int) -> None:
        """Let the runs write a checkpoint and end, because a signal asked for it."""
        with self._lock:
            self.stopped = signum
            for process in self._processes:
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)


def _gpus() -> list[str]:
    """List the GPUs that may be used, without importing torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name]
    try:
        command = ["nvidia-smi", "-L"]
        listed = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    # the parts that a GPU may be divided into have lines of their own, further in
    gpus = [line for line in listed.stdout.splitlines() if line.startswith("GPU ")]
    return [str(i) for i in range(len(gpus))]
