"""The project's own training on a GPU: waits, what a step's time goes to, and feeding it."""

import cProfile
import pstats
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers.logger import Logger
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from experiments.gpu.section import Section
from lit_seg.callbacks.class_dynamics import ClassDynamics
from lit_seg.callbacks.cost import Cost
from lit_seg.data import Folder
from lit_seg.losses import CrossEntropyLoss, PATLoss, RecallLoss
from lit_seg.tasks import LitSegmenter

TITLE = "The whole training step and its data"
SECONDS = 45
IMAGES = 256
CLASSES = 11
SIZE = (360, 480)
COSTS = ("step_seconds", "data_seconds", "utilisation", "peak_memory_mb")
LOSSES = {"ce": CrossEntropyLoss, "recall": RecallLoss, "pat": PATLoss}


class Watch(Callback):
    """Measures some steps in the middle of a training, with a different tool in each stretch."""

    def __init__(self, warm_up: int, timed: int) -> None:
        self.warm_up, self.timed = warm_up, timed
        self.seconds = 0.0
        self.waits: Counter[str] = Counter()
        self.table: list[Any] = []
        self.host = cProfile.Profile()
        self._begun = 0.0
        self._profile: profile | None = None
        self._caught: Any = None

    @property
    def steps(self) -> int:
        """All steps: warm-up, timed, two whose waits are counted, two profiled twice over."""
        return self.warm_up + self.timed + 6

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        """Switch the tools on."""
        step, cuda = trainer.global_step - self.warm_up, torch.cuda.is_available()
        if step in (0, self.timed) and cuda:
            torch.cuda.synchronize()
        if step == 0:
            self._begun = time.perf_counter()
        if step == self.timed:
            self.seconds = (time.perf_counter() - self._begun) / self.timed
            self._caught = warnings.catch_warnings(record=True)
            self._found = self._caught.__enter__()
            warnings.simplefilter("always")
            if cuda:
                torch.cuda.set_sync_debug_mode("warn")
        if step == self.timed + 2:
            if cuda:
                torch.cuda.set_sync_debug_mode("default")
            self._caught.__exit__(None, None, None)
            for each in self._found:
                if "called a synchronizing CUDA operation" in str(each.message):
                    self.waits[f"{_place(each.filename)}:{each.lineno}"] += 1
            activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * cuda
            self._profile = profile(activities=activities)
            self._profile.__enter__()
        if step == self.timed + 4 and self._profile is not None:
            if cuda:
                torch.cuda.synchronize()
            self._profile.__exit__(None, None, None)
            self.table = list(self._profile.key_averages())
            self.host.enable()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the profile of Python."""
        self.host.disable()


class _Rows(Logger):
    """Keeps the last value of each metric."""

    name = version = "rows"

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, float] = {}

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Keep the values."""
        self.values.update(metrics)

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """They are known here."""


def _place(filename: str) -> str:
    """The last parts of a path, which say enough."""
    return "/".join(Path(filename).parts[-3:])


def write_dataset(folder: Path, images: int, size: tuple[int, int]) -> None:
    """Noise in patches, which compresses about as photographs do."""
    for split, number in (("train", images), ("val", 2)):
        for kind in ("images", "masks"):
            (folder / kind / split).mkdir(parents=True, exist_ok=True)
        for i in range(number):
            rng = np.random.default_rng(i)
            blocks = rng.integers(0, CLASSES, (size[0] // 24 + 1, size[1] // 24 + 1), np.uint8)
            ids = blocks.repeat(24, 0).repeat(24, 1)[: size[0], : size[1]]
            noise = rng.integers(0, 24, (*size, 3), np.uint8)
            Image.fromarray(ids[..., None] * 20 + noise).save(folder / f"images/{split}/{i}.png")
            Image.fromarray(ids).save(folder / f"masks/{split}/{i}.png")


def dataset(root: Path, workers: int, size: tuple[int, int]) -> Folder:
    """What :func:`write_dataset` wrote, ready to be loaded."""
    data = Folder(
        **{"root": str(root), "ids": [f"class_{c}" for c in range(CLASSES)]},
        **{"images": "images/{split}", "masks": "masks/{split}", "num_workers": workers},
        **{"height": size[0], "width": size[1], "batch_size": 2 if workers == 0 else 8},
    )
    data.prepare_data()
    return data


def run(section: Section) -> None:
    """Loading alone, then whole trainings; the first of them is looked into."""
    root = section.folder / "data"
    size = (32, 32) if section.smoke else SIZE
    write_dataset(root, 8 if section.smoke else IMAGES, size)
    for workers in (0,) if section.smoke else (1, 4, 8, 15):
        with section.attempt("loading", workers=workers):
            _loading(section, root, workers, size)
    order = [("recall", True), ("ce", False), ("ce", True), ("pat", True)]
    for name, watched in order[: 1 if section.smoke else None]:
        if section.seconds_left() < 4:
            section.note(f"No time was left for {name}.")
            continue
        with section.attempt("training", loss=name):
            _training(section, root, name, watched, size, show=(name == "recall"))
    section.note(
        f"Images of {size[0]} x {size[1]} made of noise, scale, crop, flip and jitter as in the "
        "default recipe; U-Net R18, bf16-mixed, channels_last, batch 8, AdamW."
    )


def _loading(section: Section, root: Path, workers: int, size: tuple[int, int]) -> None:
    loader = iter(dataset(root, workers, size).train_dataloader())
    next(loader)  # starts the workers
    begun, images = time.perf_counter(), 0
    for batch in loader:
        images += len(batch["image"])
    seconds = time.perf_counter() - begun
    section.row("loading", workers=workers, **{"images/s": images / seconds})


def _training(
    section: Section, root: Path, name: str, watched: bool, size: tuple[int, int], show: bool
) -> None:
    workers = 0 if section.smoke else 14
    data = dataset(root, workers, size)
    model = LitSegmenter(data.class_counts, data.class_names, LOSSES[name])
    watch = Watch(*(1, 1) if section.smoke else (20, 60))
    cost = Cost()
    callbacks = [watch, cost, *([ClassDynamics()] if watched else [])]
    logger = _Rows()
    folder = section.folder / f"{name}-{watched}"
    trainer = Trainer(
        accelerator=section.device.type if section.device.type == "cpu" else "gpu",
        devices=1,
        **{"max_steps": watch.steps, "max_epochs": -1, "precision": "bf16-mixed"},
        **{"callbacks": callbacks, "logger": [logger], "default_root_dir": folder},
        **{"enable_checkpointing": False, "enable_progress_bar": False, "log_every_n_steps": 10},
        **{"enable_model_summary": False, "limit_val_batches": 0, "use_distributed_sampler": False},
    )
    trainer.fit(model, data)
    costs = {name: logger.values.get(f"cost/{name}", float("nan")) for name in COSTS}
    section.row(
        "training",
        **{"loss": name, "class dynamics": watched, "ms per step": 1e3 * watch.seconds},
        **{
            "images/s": data.batch_size / watch.seconds,
            "wait share": costs["data_seconds"] / costs["step_seconds"],
        },
        **{"GPU utilisation, %": costs["utilisation"]},
        **{"peak MiB": costs["peak_memory_mb"]},
        **{"waits per step": sum(watch.waits.values()) / 2},
    )
    if show:
        for place, number in watch.waits.most_common(12):
            section.row("waits of recall", place=place, **{"per step": number / 2})
        _profile_rows(section, watch)
        _host_rows(section, watch)


def _profile_rows(section: Section, watch: Watch) -> None:
    cuda = section.device.type == "cuda"
    own = "self_device_time_total" if cuda else "self_cpu_time_total"
    # on a GPU its kernels: the time of the operators that started them is the same time
    events = [e for e in watch.table if not cuda or e.device_type == DeviceType.CUDA]
    events = [e for e in events if "#" not in e.key]  # ranges that the profiler marks
    events.sort(key=lambda event: -getattr(event, own))
    total = sum(getattr(event, own) for event in events) or 1.0
    for event in events[:15]:
        section.row(
            "profile of recall",
            **{"what": event.key[:90], "ms per step": getattr(event, own) / 2e3},
            **{"share": getattr(event, own) / total, "calls per step": event.count / 2},
        )


def _host_rows(section: Section, watch: Watch) -> None:
    """Which functions the processor spends a step in, without those that they call."""
    stats: dict[Any, Any] = pstats.Stats(watch.host).stats  # type: ignore[attr-defined]
    order = sorted(stats.items(), key=lambda item: -item[1][2])
    for (file, _, name), (_, calls, own, total, _) in order[:25]:
        section.row(
            "processor time of recall, as Python's profiler slows it down",
            **{"what": f"{_place(file)} {name}"[:90], "calls per step": calls / 2},
            **{"own ms per step": 1e3 * own / 2, "with callees": 1e3 * total / 2},
        )
