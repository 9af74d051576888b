"""`make kills`: kill short runs at all kinds of moments, resume them, compare.

Each trial is a run of one kind (`KINDS`) that is killed by SIGKILL, which nothing can prepare for,
and resumed until it is done. It must leave the very files that a run leaves that nobody disturbed:
weights, optimizer, state of the loss, tables, curves, pictures. What is killed is

- the run: all processes of it, when it is about to touch its n-th file, of its folder or of its
  cache; nothing else that a killed process did can be seen later, so these are all the moments
  there are, up to half a write;
- the same by the clock, which also hits half a write;
- one rank of two, or a process that loads data: the others end by themselves and may still save.

A run that has no checkpoint yet is started anew. The trials that are done are kept in the folder,
so a matrix that was stopped goes on.
"""

import argparse
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch.distributed as dist

from tests import few_streets_cli
from tests.conftest import TINY, layers
from tests.data.layout_of_folder import write_folder
from tests.same import differences

SECONDS = 120  # after which a process counts as hung
RANK_TIMEOUT = 60  # that a rank waits for one that was killed before they met
# that a rank has to end when another one is gone; while it waits for it, it hears no signal, and
# torchrun would kill it after 30 s
GRACE = RANK_TIMEOUT + 20
BASE = [
    *(*TINY, "--trainer.max_epochs", "2", "--data.init_args.num_workers", "1"),
    # dropout, so that random numbers matter
    *("--model.architecture", "fpn", "--model.loss.momentum", "0.9"),
    *("--model.options", "{decoder_pyramid_channels: 32, decoder_segmentation_channels: 32}"),
    *("--rank_timeout", str(RANK_TIMEOUT)),
]


@dataclass(frozen=True)
class Kind:
    """A kind of run: options beside those of `BASE`, how many ranks it has, and its dataset.

    With ``then`` the run goes on with other options after its first kill; it must end like one that
    was killed at the same moment, goes on with the same options and is killed no more.
    """

    options: tuple[str, ...] = ()
    ranks: int = 1
    then: "Kind | None" = None
    data: str = "streets"


def _batch(size: int) -> tuple[str, ...]:
    return ("--data.init_args.batch_size", str(size))


def _ranks(number: int) -> tuple[str, ...]:
    return ("--trainer.devices", str(number), "--trainer.accelerator", "cpu")


def _averaging(name: str, more: str = "") -> tuple[str, ...]:
    path = f"pytorch_lightning.callbacks.{name}"
    return ("--trainer.callbacks", f"[{{class_path: {path}, init_args: {{{more}}}}}]")


TWO = Kind((*_ranks(2), *_batch(2)), ranks=2)
KINDS = {
    "plain": Kind(),
    "no workers": Kind(("--data.init_args.num_workers", "0")),
    # steps of 3, 3 and 2 batches, validated within a step and at its end
    "accumulated": Kind(
        (*_batch(2), "--trainer.accumulate_grad_batches", "3", "--trainer.val_check_interval", "4")
    ),
    "accumulated often": Kind(
        (*_batch(2), "--trainer.accumulate_grad_batches", "4", "--trainer.val_check_interval", "3")
    ),
    "RepeatFactor": Kind(("--data.init_args.sampling", "lit_seg.data.sampling.RepeatFactor")),
    "ClassAware, crops": Kind(
        (
            *("--data.init_args.sampling", "lit_seg.data.sampling.ClassAware"),
            *("--data.init_args.crop", "[32, 64]", "--data.init_args.class_crops", "0.5"),
        )
    ),
    "max_steps": Kind(
        (
            *("--trainer.max_steps", "6", "--trainer.val_check_interval", "3"),
            *("--trainer.log_every_n_steps", "3", "--trainer.num_sanity_val_steps", "1"),
        )
    ),
    "every second epoch": Kind(
        ("--trainer.max_epochs", "3", "--trainer.check_val_every_n_epoch", "2")
    ),
    "two ranks": TWO,
    "two ranks, accumulated": Kind(
        (*_ranks(2), *_batch(1), "--trainer.accumulate_grad_batches", "3"), ranks=2
    ),
    "EMA": Kind(_averaging("EMAWeightAveraging", "decay: 0.7")),
    "EMA, accumulated": Kind(
        (
            *_averaging("EMAWeightAveraging", "decay: 0.7, use_buffers: false"),
            *(*_batch(2), "--trainer.accumulate_grad_batches", "3"),
        )
    ),
    "EMA, every second epoch": Kind(
        (
            *_averaging("EMAWeightAveraging", "decay: 0.7"),
            *("--trainer.max_epochs", "3", "--trainer.check_val_every_n_epoch", "2"),
        )
    ),
    "average": Kind(_averaging("WeightAveraging")),
    "two ranks, EMA": Kind(
        (*_ranks(2), *_batch(2), *_averaging("EMAWeightAveraging", "decay: 0.7")), ranks=2
    ),
    "EarlyStopping": Kind(
        (
            *_averaging("EarlyStopping", "monitor: val/miou, mode: max, patience: 1"),
            *("--trainer.max_epochs", "6"),
        )
    ),
    "ReduceLROnPlateau": Kind(
        (
            *("--model.lr_scheduler", "torch.optim.lr_scheduler.ReduceLROnPlateau"),
            *("--model.lr_scheduler.patience", "0", "--model.lr_scheduler.threshold", "9"),
            *("--trainer.val_check_interval", "2"),
        )
    ),
    "decoded cache": Kind(
        (
            *("--data.init_args.ids", "[sky, road, car]", "--data.init_args.cache", "full"),
            *("--data.init_args.height", "32", "--data.init_args.width", "48"),
        ),
        data="folder",
    ),
    "to two ranks": Kind(then=TWO),
    "to one rank": Kind(TWO.options, 2, then=Kind((*_ranks(1), *_batch(4)))),
    "to batches of 8": Kind(then=Kind(_batch(8))),
    "to batches of 3": Kind(then=Kind(_batch(3))),
    "to accumulated": Kind(then=Kind((*_batch(2), "--trainer.accumulate_grad_batches", "3"))),
}
INTERVALS = (None, 1, 3)
locks = {name: threading.Lock() for name in KINDS}  # a reference is trained once
VICTIMS = {1: ("run", "run", "clock", "worker"), 2: ("run", "clock", "rank 0", "rank 1", "worker")}


class Processes:
    """The processes of a run, forked from a server that imported everything.

    Args:
        args: of the command line.
        ranks: how many; started as torchrun starts them.
        folder: that of the trial; the output goes into a file in it.
        kill: the number of the file event at which rank 0 kills ``victim``.
        victim: ``"run"`` or ``"worker"``.
    """

    lock = threading.Lock()  # the bookkeeping of multiprocessing is not made for threads
    context = multiprocessing.get_context("forkserver")

    def __init__(
        self, args: list[str], ranks: int, folder: Path, kill: int = 0, victim: str = "run"
    ) -> None:
        self._store: Any = None
        environment = {"WANDB_MODE": "disabled", "CUDA_VISIBLE_DEVICES": "", "VAL_IMAGES": "5"}
        environment["LIT_SEG_CACHE"] = str(folder / "cache")
        if ranks > 1:
            self._store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
            environment |= {
                **{"WORLD_SIZE": str(ranks), "LOCAL_WORLD_SIZE": str(ranks)},
                **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(self._store.port)},
                **{"TORCHELASTIC_RUN_ID": "kills", "TORCHELASTIC_USE_AGENT_STORE": "True"},
                **{"GROUP_WORLD_SIZE": "1", "GROUP_RANK": "0", "TORCHELASTIC_RESTART_COUNT": "0"},
                "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
            }
        self.ranks: list[BaseProcess] = []
        with self.lock:
            for rank in reversed(range(ranks)):  # the first one may kill the others
                own = {"RANK": str(rank), "LOCAL_RANK": str(rank)} if ranks > 1 else {}
                others = [process.pid for process in self.ranks]
                task = (args, {**environment, **own}, folder, kill if rank == 0 else 0)
                process = self.context.Process(target=child, args=(*task, victim, others))
                process.start()
                self.ranks.insert(0, process)

    def codes(self) -> list[int | None]:
        """The exit code of each rank; None while it runs."""
        with self.lock:
            return [process.exitcode for process in self.ranks]

    def kill(self, rank: int | None = None) -> None:
        """One rank, or all with the processes that load their data."""
        for process in self.ranks if rank is None else [self.ranks[rank]]:
            try:
                if rank is None:
                    os.killpg(process.pid, signal.SIGKILL)
                else:
                    os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def wait(self, seconds: float = SECONDS) -> list[int | None] | None:
        """The exit codes; None if a process still runs after so many seconds.

        As torchrun does, a rank that fails lets the others be told to end.
        """
        end, told = time.monotonic() + seconds, False
        while None in (codes := self.codes()):
            if any(code for code in codes) and not told:
                told, end = True, min(end, time.monotonic() + GRACE)
                for process, code in zip(self.ranks, codes, strict=True):
                    if code is None:
                        with suppress(ProcessLookupError):  # it has ended since
                            os.kill(process.pid, signal.SIGTERM)
            if time.monotonic() > end:
                return None
            time.sleep(0.01)
        return codes


def child(
    args: list[str],
    environment: dict[str, str],
    folder: Path,
    kill: int,
    victim: str,
    others: list[int],
) -> None:
    """A rank: the command line, with the kill that was asked for."""
    os.setsid()
    os.fsync = lambda file: None  # no trial cuts the power
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    events = folder / "events.txt"
    if environment.get("RANK", "0") == "0":
        sys.addaudithook(killer(folder, kill, victim, others, events))
    code = few_streets_cli.run_rank(args, environment)
    sys.stdout.flush()
    sys.exit(code)


def killer(
    folder: Path, kill: int, victim: str, others: list[int], events: Path
) -> Callable[[str, Any], None]:
    """An audit hook that kills before the n-th change of a file of a run, and writes each down.

    A process that loads data is killed at the first such moment from there on at which there is
    one.
    """
    pid, number = os.getpid(), 0
    places, log = (f"{folder}/run", f"{folder}/cache"), events.open("w", buffering=1)

    def hook(event: str, args: Any) -> None:
        nonlocal number, kill
        if event not in ("open", "os.rename", "os.remove", "os.mkdir") or os.getpid() != pid:
            return
        path = str(args[0])
        reads = event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR)
        if not path.startswith(places) or reads:
            return
        number += 1
        log.write(f"{number} {event} {path.removeprefix(str(folder))}\n")
        if not kill or number < kill:
            return
        if victim == "run":
            for other in others:
                os.killpg(other, signal.SIGKILL)
            os.killpg(pid, signal.SIGKILL)
        workers = multiprocessing.active_children()
        if workers:
            kill = 0
            os.kill(workers[number % len(workers)].pid or 0, signal.SIGKILL)

    return hook


def current(folder: Path) -> Path:
    """The folder of the run: the last of run, run-2, and so on."""
    runs = [path for path in folder.glob("run*") if path.is_dir()]
    return max(runs, key=lambda p: int(p.name.partition("-")[2] or 1), default=folder / "run")


def has_checkpoint(run: Path) -> bool:
    names = ("last.ckpt", "best.ckpt")
    return (run / "config.yaml").exists() and any((run / "checkpoints" / n).exists() for n in names)


@dataclass
class Reference:
    """What a run of a kind leaves that nobody disturbs, and how long it took."""

    run: Path
    seconds: float
    events: int


class FailedError(Exception):
    """The run that nobody disturbs does not end."""


def arguments(kind: Kind, folder: Path, interval: int | None = None) -> list[str]:
    """The command line that starts a run, or goes on with it."""
    run = current(folder)
    every = ("--last_checkpoint.every_n_train_steps", str(interval)) if interval else ()
    if has_checkpoint(run):
        return ["fit", "--resume", str(run)]
    new = ["fit", *layers(data=kind.data), *BASE, "--run_dir", str(folder / "run")]
    return [*new, *kind.options, *every]


def undisturbed(kind: Kind, folder: Path) -> Reference:
    """Train a run of a kind once."""
    path = folder / "reference.json"
    if not path.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        begun = time.monotonic()
        codes = Processes(arguments(kind, folder), kind.ranks, folder).wait()
        if codes != [0] * kind.ranks:
            raise FailedError(f"{folder}: the run that nobody disturbs ends with {codes}")
        events = len((folder / "events.txt").read_text().splitlines())
        found = {"seconds": time.monotonic() - begun, "events": events}
        path.write_text(json.dumps(found))
    return Reference(folder / "run", **json.loads(path.read_text()))


def kill_once(
    kind: Kind, args: list[str], folder: Path, victim: str, at: float, reference: Reference
) -> str | None:
    """Run and kill at a share of the run; returns what was hit, None if the run is done."""
    if victim in ("run", "worker"):
        # processes that load data end before the last files are written
        number = 1 + int(at * (0.8 if victim == "worker" else 1) * reference.events)
        processes = Processes(args, kind.ranks, folder, number, victim)
        codes = processes.wait()
        lines = (folder / "events.txt").read_text().splitlines()
        where = lines[number - 1] if len(lines) >= number else "the end"
    else:
        where = f"{at * reference.seconds:.2f} s"
        processes = Processes(args, kind.ranks, folder)
        codes = processes.wait(at * reference.seconds)
        if codes is None:
            processes.kill(None if victim == "clock" else int(victim[-1]))
            codes = processes.wait()
    if codes is None:
        where += ", HUNG"
    processes.kill()  # what loads data of a rank that was killed alone
    if codes is not None and not any(codes):
        return None
    return f"{victim} at {where}"


def trial(name: str, number: int, seed: int, matrix: Path) -> dict[str, Any]:
    """Kill a run of a kind and resume it until it is done; returns what happened."""
    kind = KINDS[name]
    rng = random.Random(f"{seed} {name} {number}")
    interval = INTERVALS[number % len(INTERVALS)]
    folder = matrix / f"{slug(name)}-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with locks[name]:
        reference = undisturbed(kind, matrix / "references" / slug(name))
    kills: list[str] = []
    planned = rng.choice((1, 1, 2, 3))
    went_on: list[str] = []
    while True:
        args = [*arguments(kind, folder, interval), *went_on]
        if len(kills) < planned:
            victim = rng.choice(VICTIMS[kind.ranks])
            hit = kill_once(kind, args, folder, victim, rng.random(), reference)
        else:
            codes = Processes(args, kind.ranks, folder).wait()
            hit = None if codes == [0] * kind.ranks else f"exit code {codes}"
            if hit:
                return {"kind": name, "kills": kills, "wrong": [hit], "interval": interval}
        if hit is None:
            break
        kills.append(hit)
        if "HUNG" in hit:
            return {"kind": name, "kills": kills, "wrong": [hit], "interval": interval}
        if kind.then is not None and has_checkpoint(current(folder)):
            kind, went_on = kind.then, list(kind.then.options)
            twin = folder / "twin"
            twin.mkdir()
            shutil.copytree(current(folder), twin / "run")
            again = ["fit", "--resume", str(twin / "run"), *went_on]
            begun = time.monotonic()
            codes = Processes(again, kind.ranks, twin).wait()
            if codes != [0] * kind.ranks:
                wrong = [f"resumed with {went_on}: {codes}"]
                return {"kind": name, "kills": kills, "wrong": wrong, "interval": interval}
            events = len((twin / "events.txt").read_text().splitlines())
            reference = Reference(twin / "run", time.monotonic() - begun, events)
            planned += 1
    wrong = differences(current(folder), reference.run)
    if not wrong:
        shutil.rmtree(folder)
    return {"kind": name, "kills": kills, "wrong": wrong, "interval": interval}


def slug(name: str) -> str:
    return name.replace(", ", "-").replace(" ", "-")


def trials(kinds: list[str], number: int) -> Iterator[tuple[str, int]]:
    """The trials: the kinds by turns, each with all intervals of checkpoints."""
    for i in range(number):
        yield kinds[i % len(kinds)], i // len(kinds)


def main() -> int:
    """Run the trials that are not done; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--folder", type=Path, default=Path("runs/kills"))
    args = parser.parse_args()
    matrix = args.folder.absolute()
    matrix.mkdir(parents=True, exist_ok=True)
    os.environ["DATA_ROOT"] = str(matrix)
    if not (matrix / "folder").exists():
        write_folder(matrix / "folder", "abcdefghijklmnopqrstuvwxyz", size=(64, 96))
    os.environ["OMP_NUM_THREADS"] = "1"
    multiprocessing.set_forkserver_preload(["tests.few_streets_cli"])
    path = matrix / f"seed{args.seed}.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    done = {entry["id"]: entry for entry in map(json.loads, lines)}
    todo = [t for t in trials(args.kinds, args.trials) if f"{t[0]} {t[1]}" not in done]
    with ThreadPoolExecutor(args.jobs) as pool, path.open("a", buffering=1) as file:
        futures = {pool.submit(trial, *t, args.seed, matrix): t for t in todo}
        for future in as_completed(futures):
            name, number = futures[future]
            entry = {"id": f"{name} {number}", **future.result()}
            done[entry["id"]] = entry
            file.write(json.dumps(entry) + "\n")
            result = f"DIFFERENT: {entry['wrong']}" if entry["wrong"] else "identical"
            every = entry["interval"] or "-"
            hit = "; ".join(entry["kills"]) or "not killed"
            print(f"{entry['id']}, checkpoint every {every}: {result} ({hit})", flush=True)
    return table(list(done.values()))


def table(entries: list[dict[str, Any]]) -> int:
    """Print how many runs of each kind are identical; returns the exit code."""
    print(f"\n{'kind':26}{'runs':>6}{'kills':>7}{'hung':>6}{'identical':>11}")
    kinds = dict.fromkeys(entry["kind"] for entry in entries)
    for name in [*kinds, "all"]:
        of = [entry for entry in entries if name in (entry["kind"], "all")]
        kills = [kill for entry in of for kill in entry["kills"]]
        hung, equal = sum("HUNG" in kill for kill in kills), sum(not e["wrong"] for e in of)
        print(f"{name:26}{len(of):6}{len(kills):7}{hung:6}{equal:11}")
    return int(equal != len(entries))


if __name__ == "__main__":
    sys.exit(main())
