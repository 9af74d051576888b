"""What metrics and class dynamics take of a training step, and torchmetrics beside them."""

import inspect
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from pytorch_lightning import Trainer
from torch import Tensor
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassJaccardIndex, MulticlassRecall

from experiments.bench.measure import interleaved
from experiments.bench.training_step import Step, ours, timed
from experiments.gpu.section import Section
from lit_seg.callbacks.class_dynamics import ClassDynamics
from lit_seg.loggers.csv_log import CSVLog
from lit_seg.losses import RecallLoss
from lit_seg.losses.record import record
from lit_seg.metrics.labels import VOID
from lit_seg.tasks import LitSegmenter

TITLE = "Metrics and class dynamics"
SECONDS = 50
BATCH, STEPS, EVERY = 4, 20, 10
LIGHT = {"architecture": "unet", "options": {"decoder_channels": [128, 64, 32, 32, 16]}}
CASES = {
    "U-Net R18, halved decoder, 128x192": (LIGHT, (128, 192), 12),
    "U-Net R18, halved decoder, 128x192, 150 classes": (LIGHT, (128, 192), 150),
    "DeepLabV3+ R18, 240x320": ({"architecture": "deeplabv3plus"}, (240, 320), 19),
}
QUICK = {"U-Net R18, 32x32": (LIGHT, (32, 32), 3)}


class Timed(ClassDynamics):
    """Sums up the processor seconds that all methods of the callback take."""

    def __init__(self) -> None:
        super().__init__(every_n_steps=EVERY)
        self.seconds = 0.0
        self._inside = False
        for name, method in inspect.getmembers(ClassDynamics, inspect.isfunction):
            if method.__module__ == ClassDynamics.__module__ and not name.startswith("__"):
                setattr(self, name, self._timed(getattr(self, name)))

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            if self._inside:  # called by another one
                return method(*args, **options)
            self._inside, start = True, time.process_time()
            try:
                return method(*args, **options)
            finally:
                self._inside = False
                self.seconds += time.process_time() - start

        return timed


def run(section: Section) -> None:
    """A row for each network and each thing that watches it."""
    torch.manual_seed(0)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    for name, (options, size, classes) in (QUICK if section.smoke else CASES).items():
        with section.attempt("share of a step", network=name):
            case = {"network": name, "classes": classes}
            step, recording = _step(section, options, size, classes)
            watched = 1e3 * _callback(section, options, size, classes) + recording / EVERY
            row = {"ms": watched, "share of the step": watched / step}
            section.row("share of a step", **case, what="class dynamics", **row)
            shape = (2 if section.smoke else BATCH, classes, *size)
            for what, ms in torchmetrics(section, shape).items():
                row = {"ms": ms, "share of the step": ms / step}
                section.row("share of a step", **case, what=what, **row)
    section.note(
        f"Class dynamics: the callback within a training with recall loss, batch {BATCH}, {STEPS} "
        f"steps, a record every {EVERY} steps, written to CSV, and what the loss does more where "
        "it records; mean over all steps. The metrics of torchmetrics "
        "are updated in each step from its logits, as its examples do, arg-max included."
    )


def _step(
    section: Section, options: dict[str, Any], size: tuple[int, int], classes: int
) -> tuple[float, float]:
    """Milliseconds of a step, and how many more the loss takes where it records what it finds."""
    model = LitSegmenter([1] * classes, **options).to(section.device)
    optimizer = torch.optim.AdamW(model.parameters())
    batch = _batch(section, size, classes)
    loss = ours(RecallLoss([1] * classes).to(section.device), model)

    def recorded(*args: Any) -> Tensor:
        with record():
            return loss(*args)

    steps = {
        "": Step(model, optimizer, loss, batch),
        "recorded": Step(model, optimizer, recorded, batch),
    }
    times, _ = timed(steps, section.device, 0 if section.smoke else 12)
    return times[""].ms, times["recorded"].ms - times[""].ms


def _callback(
    section: Section, options: dict[str, Any], size: tuple[int, int], classes: int
) -> float:
    """Processor seconds that the callback takes of a step."""
    model = LitSegmenter([1] * classes, loss=RecallLoss, **options)
    steps = 2 if section.smoke else STEPS
    batch = _batch(section, size, classes)
    callback = Timed()
    trainer = Trainer(
        **{"accelerator": section.device.type, "devices": 1, "max_epochs": 1},
        **{"callbacks": [callback], "logger": [CSVLog(section.folder)]},
        **{"enable_checkpointing": False, "enable_progress_bar": False},
        enable_model_summary=False,
    )
    names = ["x"] * len(batch["target"])
    trainer.fit(model, DataLoader([{**batch, "name": names}] * steps, batch_size=None))  # type: ignore[arg-type]
    return callback.seconds / steps


def _batch(section: Section, size: tuple[int, int], classes: int) -> dict[str, Tensor]:
    images, on = 2 if section.smoke else BATCH, {"device": section.device}
    return {
        "image": torch.randint(0, 256, (images, 3, *size), dtype=torch.uint8, **on),
        "target": torch.randint(0, classes, (images, *size), **on),
    }


def torchmetrics(section: Section, shape: tuple[int, ...]) -> dict[str, float]:
    """Milliseconds of an update by the name of the metric."""
    options = {"num_classes": shape[1], "average": None, "ignore_index": VOID}
    logits = torch.randn(shape, device=section.device)
    target = torch.randint(0, shape[1], (shape[0], *shape[2:]), device=section.device)
    metrics = {
        "torchmetrics Recall": MulticlassRecall(**options, validate_args=False),
        "torchmetrics JaccardIndex": MulticlassJaccardIndex(**options, validate_args=False),
    }
    works = {
        name: partial(metric.to(section.device).update, logits, target)
        for name, metric in metrics.items()
    }
    times = interleaved(works, section.device, 0 if section.smoke else 4)
    return {name: time.ms for name, time in times.items()}
