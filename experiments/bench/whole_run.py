"""The whole training on CamVid: ours, torchvision's reference loop and an example of smp.

Contenders are processes that take turns: one runs for some steps, then it is stopped with all its
loading processes and the next one goes on. So all of them see the same machine, and none loads
ahead while another one is timed.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from experiments.bench.contenders.job import STEP, Job
from experiments.bench.machine import bf16_flags
from experiments.gpu.section import Section
from experiments.gpu.trainer import CLASSES, write_dataset
from lit_seg.data import CamVid, Streets
from lit_seg.data.base import SegDataModule
from lit_seg.errors import DataError

TITLE = "The whole run on CamVid"
SECONDS = 240
ALL_CORES = True
SIZE, SCALE, BATCH, EPOCHS, BLOCK = (192, 256), (0.5, 2.0), 8, 1, 11
CONTENDERS = {
    "torchvision's reference loop": ("torchvision_reference",),
    "smp's example with Lightning": ("smp_example",),
    "lit_seg, recall": ("ours", "recall", "auto"),
    "lit_seg, recall, float32": ("ours", "recall", "32-true"),
}


def camvid_or_streets(section: Section, workers: int) -> tuple[str, SegDataModule]:
    """CamVid where it is, and else the scenes that the project draws; also to try a section."""
    options: dict[str, Any] = {"height": SIZE[0], "width": SIZE[1], "num_workers": workers}
    if not section.smoke:
        data = CamVid(**options)
        try:
            data.prepare_data()
        except DataError:
            section.note("CamVid was not found; scenes of `streets` stand for it.")
        else:
            return "CamVid", data
    if section.smoke:
        options |= {"height": 32, "width": 48, "batch_size": 2}
    return "streets", Streets(**options)


class Contender:
    """A training in a process group of its own, which stands still unless it has its turn."""

    def __init__(self, words: tuple[str, ...], job: Path, log: Path) -> None:
        module, *rest = words
        command = [sys.executable, "-m", f"experiments.bench.contenders.{module}", str(job), *rest]
        env = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GLIBC_"))}
        self.log = log
        with log.open("w", encoding="utf-8") as errors:
            self.process = subprocess.Popen(
                command,
                **{"stdout": subprocess.PIPE, "stderr": errors, "encoding": "utf-8"},
                **{"start_new_session": True, "env": {"WANDB_MODE": "offline", **env}},
            )
        self.processor_seconds = 0.0
        self.ended = False

    def turn(self, steps: int) -> float:
        """Let it run for so many steps, or to its end; returns the seconds."""
        assert self.process.stdout is not None
        begun = time.perf_counter()
        os.killpg(self.process.pid, signal.SIGCONT)
        while steps:
            line = self.process.stdout.readline()
            if not line:
                return self._end(begun)
            steps -= line.strip() == STEP
        os.killpg(self.process.pid, signal.SIGSTOP)
        return time.perf_counter() - begun

    def _end(self, begun: float) -> float:
        _, status, usage = os.wait4(self.process.pid, 0)
        seconds = time.perf_counter() - begun
        self.process.returncode = os.waitstatus_to_exitcode(status)
        self.ended = True
        self.processor_seconds = usage.ru_utime + usage.ru_stime
        if self.process.returncode:
            raise RuntimeError(self.log.read_text(encoding="utf-8").strip().splitlines()[-1])
        return seconds

    def kill(self) -> None:
        """End it with all that it started."""
        if not self.ended:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def run(section: Section) -> None:
    """A row for each contender."""
    job, data = _job(section)
    if job is None:
        section.note("Left out: CamVid was not found.")
        return
    path = section.folder / "job.json"
    job.save(path)
    names = [name for name in CONTENDERS if not (section.smoke and name.startswith("smp"))]
    steps = job.epochs * (len(job.train) // job.batch)
    block = 2 if section.smoke else BLOCK
    contenders: dict[str, Contender] = {}
    begin, walls = {}, {}
    try:
        for number, name in enumerate(names):
            words = CONTENDERS[name] + ((data,) if CONTENDERS[name][0] == "ours" else ())
            log = section.folder / f"contender{number}.log"
            contenders[name] = Contender(words, path, log)
            begin[name] = contenders[name].turn(1)
            walls[name] = 0.0
        for done in range(1, steps, block):
            for name, contender in contenders.items():
                walls[name] += contender.turn(min(block, steps - done))
        ends = {name: contender.turn(steps) for name, contender in contenders.items()}
    finally:
        for contender in contenders.values():
            contender.kill()
    for name in names:
        section.row(
            "whole run",
            contender=name,
            **{"s to the first step": begin[name], f"s from it to step {steps}": walls[name]},
            **{"times faster": walls[names[0]] / walls[name], "s after that": ends[name]},
            **{"processor s in all": contenders[name].processor_seconds},
        )
    precision = "bfloat16" if torch.cuda.is_available() or bf16_flags() else "float32"
    section.note(
        f"DeepLabV3+ R18 from random weights, {job.size[0]}x{job.size[1]}, batch {job.batch}, "
        f"{job.epochs} epoch with a validation after it, random scale {job.scale[0]} to "
        f"{job.scale[1]}, flip and crop, on all cores, each as its users run it "
        "(experiments/bench/contenders): the others in float32, ours in "
        f"{precision}, its choice for this processor, and in float32, too. They take turns of "
        f"{block} steps. What comes after the last step is the validation with all that is "
        "written then."
    )


def _job(section: Section) -> tuple[Job | None, str]:
    section.folder.mkdir(parents=True, exist_ok=True)
    folder = str(section.folder.resolve())
    if section.smoke:
        root = section.folder.resolve() / "data"
        write_dataset(root, 8, (32, 48))
        data = section.folder / "noise.yaml"
        ids = [f"class_{c}" for c in range(CLASSES)]
        places = "images: 'images/{split}', masks: 'masks/{split}'"
        data.write_text(
            "data:\n  class_path: Folder\n"
            f"  init_args: {{root: '{root}', ids: [{', '.join(ids)}], {places}}}\n",
            encoding="utf-8",
        )
        pairs = {
            split: [
                (str(image), str(root / "masks" / split / image.name))
                for image in sorted((root / "images" / split).iterdir())
            ]
            for split in ("train", "val")
        }
        sizes = {"size": (32, 48), "scale": SCALE, "batch": 2, "epochs": 1}
        return Job(**pairs, classes=CLASSES, void=255, **sizes, folder=folder), str(data)
    found = CamVid()
    try:
        pairs = {
            split: [(str(image), str(label)) for image, label in found.split(split).pairs]
            for split in ("train", "val")
        }
    except DataError:
        return None, ""
    sizes = {"size": SIZE, "scale": SCALE, "batch": BATCH, "epochs": EPOCHS}
    return Job(**pairs, classes=11, void=11, **sizes, folder=folder), "camvid"
