"""Which losses find the rare classes: CamVid at 360x480, several trainings at a time on one card.

Those of seed 0 come first, so that an early end leaves whole seeds. What is finished is left alone
when the section runs again with the same folder.

The data are those of `make gpu-bundle`, else those of $DATA_ROOT. `runs.tar.xz` holds the records
of the finished runs, from which a report is made anywhere:

    mkdir runs/gpu && tar -C runs/gpu -xf runs.tar.xz
    python -m lit_seg report runs/gpu/x1/camvid-strong_camvid/unet_resnet18 --out runs/gpu/report
"""

import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO

import numpy as np
import torch

from experiments import records
from experiments.gpu.section import Section
from lit_seg.cli.commands.compare import arguments, planned, train_all
from lit_seg.cli.commands.run_command import console_of_width
from lit_seg.cli.layers import EXPERIMENTS
from lit_seg.cli.trainings import RECORD, Process, Run, Trainings, state_of
from lit_seg.data import CamVid
from lit_seg.images.open_and_save import save_picture

TITLE = "Evidence: losses on CamVid at 360x480"
SECONDS = 280
JOBS = 6
"""Trainings at a time: enough for a GPU. With more, the long ones would all end at the very end."""
MODELS = ("unet_resnet18", "deeplabv3plus_resnet18")
LOSSES = ("ce", "recall", "wce", "focal", "pat")
LONGER = ("ce", "recall")
"""Those that are trained three times as long, too."""
EPOCHS = 9
"""Of 45 steps of batch 8 each: 405 steps."""
SEEDS = ("0", "1", "2")
RESERVE = 10.0
"""Seconds before the end of the box at which trainings are stopped, to pack what there is."""
PACK = 60.0
"""Seconds between two archives, should the machine be taken away."""
BUNDLE = Path(__file__).parents[2] / ".gpu"
QUIET = ("--trainer.num_sanity_val_steps", "0", "--trainer.enable_checkpointing", "false")
TINY = (
    *("--trainer.max_epochs", "-1", "--trainer.max_steps", "3", "--trainer.precision", "32-true"),
    *("--data.init_args.height", "32", "--data.init_args.width", "48"),
    *("--data.init_args.batch_size", "2", "--data.init_args.num_workers", "0"),
    *("--trainer.limit_val_batches", "2", "--trainer.check_val_every_n_epoch", "1000"),
    *("--model.encoder", "tu-test_byobnet"),
    *("--model.options", "{encoder_depth: 3, decoder_channels: [8, 8, 8]}"),
    *("--validation_report.num_images", "1"),
)
"""Seconds for a training, in a smoke run."""


def run(section: Section) -> None:
    """Train what is missing until the box is over; a row for each run as soon as it is finished."""
    os.environ["WANDB_MODE"] = "disabled"
    for name in ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        os.environ[name] = "1"  # there are more processes than cores
    runs = section.folder / "runs"
    if section.smoke:
        plan = compared(runs, "camvid", MODELS[0], LONGER, ["0"], TINY)
        os.environ["DATA_ROOT"] = str(section.folder)
        make_noise(section.folder / "camvid")
    else:
        plan = all_runs(runs)
        if (BUNDLE / "data.json").exists():
            os.environ["DATA_ROOT"] = str(BUNDLE)
    trainings = Forked(2 if section.smoke else JOBS, section.device)
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(section, plan, trainings, ended))
    watch.start()
    try:
        states, _ = train_all(plan, trainings, console_of_width(120))
    finally:
        ended.set()
        watch.join()
    number = sum(state == "finished" for state in states.values())
    section.note(f"{number} of {len(plan)} runs are finished, {trainings.jobs} at a time.")


def all_runs(folder: Path) -> list[Run]:
    """All trainings, in the order of their value."""
    found = []
    for model in MODELS:
        for name, losses, times in (("x1", LOSSES, 1), ("x3", LONGER, 3)):
            options = [
                *("--trainer.max_epochs", str(times * EPOCHS)),
                *("--trainer.check_val_every_n_epoch", str(EPOCHS)),
                *("--trainer.benchmark", "true", "--data.init_args.num_workers", "2"),
            ]
            found += compared(folder / name, "camvid", model, losses, SEEDS, options)
    return found + compared(folder / "x1", "streets", MODELS[0], ["all"], SEEDS, [])


def compared(
    folder: Path,
    data: str,
    model: str,
    losses: Sequence[str],
    seeds: Sequence[str],
    options: Sequence[str],
) -> list[Run]:
    """The runs of `lit_seg compare`, one seed after the other, on CamVid by the strong recipe.

    Losses have the options that the recall-loss paper compares with, as on a CPU. Weights are
    scored as they are, not their average, as in the runs that are recorded.
    """
    recipe = ("--recipe", "strong_camvid") if data == "camvid" else ()
    options = [*options, *(("--trainer.callbacks", "null") if recipe else ())]
    words = ["--data", data, "--model", model, *recipe, "--runs", str(folder)]
    words += ["--losses", *losses, "--seeds", *seeds, "--", *QUIET, *options]
    runs = planned(arguments(words))
    if not recipe:
        return runs
    papers = EXPERIMENTS / "loss" / "of_recall_paper"
    own = {path.stem: [path] for path in papers.glob("*.yaml")}
    return [replace(run, layers=[*run.layers, *own.get(run.loss, [])]) for run in runs]


def make_noise(root: Path) -> None:
    """Write noise in the layout of CamVid, which can be trained on in no time."""
    random = np.random.default_rng(0)
    for name in ("train", "val"):
        lines = []
        for i in range(CamVid.card.images[name]):
            image, label = f"{name}/{i}.jpg", f"{name}annot/{i}.png"
            save_picture(root / image, random.integers(0, 256, (24, 32, 3), np.uint8))
            save_picture(root / label, random.integers(0, 12, (24, 32), np.uint8))
            lines.append(f"{image} {label}\n")
        (root / f"{name}.txt").write_text("".join(lines), encoding="utf-8")


class Forked(Trainings):
    """Trainings that are forked from a process which has imported all: each starts at once."""

    def __init__(self, jobs: int, device: torch.device) -> None:
        super().__init__(jobs)
        # a process that has looked for a GPU cannot give it to its forks: another one forks them
        self._context = get_context("forkserver" if device.type == "cuda" else "fork")
        if device.type == "cuda":
            self._context.set_forkserver_preload(["lit_seg.cli.main", __name__])
        else:
            import_module("lit_seg.cli.main")

    def start(
        self, command: list[str], output: IO[bytes], env: dict[str, str], lock: int
    ) -> Process:
        """Start one; it belongs to the process group of the section and ends with it."""
        process = self._context.Process(target=_train, args=(command, output.name, env))
        process.start()
        return _Fork(process)


class _Fork:
    """A process of ``multiprocessing`` in the words of ``subprocess``."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process

    def wait(self) -> int:
        self._process.join()
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, sig: int, /) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, sig)


def _train(command: list[str], output: str, env: dict[str, str]) -> None:
    os.environ.update(env)
    with open(output, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from lit_seg.cli.main import main

    code = main(command)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Python's own end fails in a fork that a thread has made


def _watch(section: Section, plan: list[Run], trainings: Trainings, ended: threading.Event) -> None:
    """Tell of each run that is finished, pack all of them, and stop before the box is over."""
    shown: set[Path] = set()
    packed = time.monotonic()
    while not ended.wait(0.5) and section.seconds_left() > RESERVE:
        _show(section, plan, shown)
        if time.monotonic() > packed + PACK:
            _pack(section)
            packed = time.monotonic()
    if not ended.is_set():
        _pack(section)  # should a training not end in time
        trainings.stop(signal.SIGTERM)
        ended.wait()
    _show(section, plan, shown)
    _pack(section)


def _show(section: Section, plan: list[Run], shown: set[Path]) -> None:
    for run in plan:
        if run.folder in shown or state_of(run) != "finished":
            continue
        shown.add(run.folder)
        with section.attempt("runs", run=str(run.folder)):
            section.row("runs", **_facts(run))


def _facts(run: Run) -> dict[str, object]:
    file = run.folder / "summary.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    scores, cost = found["scores"]["overall"], found["cost"]
    step = cost.get("step_seconds", math.nan)  # where each epoch is a single step, none counts
    return {
        **{"data": run.folder.parts[-4], "network": run.folder.parts[-3], "loss": run.loss},
        **{"steps": found["steps"], "seed": run.seed},
        **{"mIoU": scores["miou"], "mean recall": scores["macc"]},
        **{"tail recall": scores["tail_recall"], "pixel accuracy": scores["pixel_acc"]},
        **{"steps/s": 1 / step, "waiting for data, share": cost.get("data_seconds", 0) / step},
        "seconds": file.stat().st_mtime - (run.folder / RECORD).stat().st_mtime,
    }


def _pack(section: Section) -> None:
    archive = section.folder / "runs.tar.xz"
    draft = archive.with_suffix(".draft")
    with section.attempt("archive"):
        records.pack(section.folder / "runs", draft, preset=1)
        draft.replace(archive)
