"""What metrics and class dynamics take of a training step, and torchmetrics beside them."""

import inspect
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from pytorch_lightning import Trainer
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassJaccardIndex, MulticlassRecall

from experiments.bench.measure import interleaved
from experiments.gpu.section import Section
from lit_seg.callbacks.class_dynamics import ClassDynamics
from lit_seg.loggers.csv_log import CSVLog
from lit_seg.losses import RecallLoss
from lit_seg.metrics.labels import VOID
from lit_seg.tasks import LitSegmenter

TITLE = "Metrics and class dynamics"
SECONDS = 50
BATCH, STEPS = 4, 20
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
        super().__init__()
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
            step, watched = _training(section, options, size, classes)
            row = {"ms": 1e3 * watched, "share of the step": watched / step}
            section.row("share of a step", **case, what="class dynamics", **row)
            shape = (2 if section.smoke else BATCH, classes, *size)
            for what, ms in torchmetrics(section, shape).items():
                row = {"ms": ms, "share of the step": ms / 1e3 / step}
                section.row("share of a step", **case, what=what, **row)
    section.note(
        f"Class dynamics: within a training with recall loss, batch {BATCH}, {STEPS} steps, a "
        "record every 10 steps, written to CSV; mean over all steps. The metrics of torchmetrics "
        "are updated in each step from its logits, as its examples do, arg-max included."
    )


def _training(
    section: Section, options: dict[str, Any], size: tuple[int, int], classes: int
) -> tuple[float, float]:
    """Processor seconds of a step, and how many of them the callback takes."""
    model = LitSegmenter([1] * classes, loss=RecallLoss, **options)
    batch, steps = (2, 2) if section.smoke else (BATCH, STEPS)
    image = torch.randint(0, 256, (batch, 3, *size), dtype=torch.uint8)
    target = torch.randint(0, classes, (batch, *size))
    data = [{"image": image, "target": target, "name": ["x"] * batch}] * steps
    callback = Timed()
    trainer = Trainer(
        **{"accelerator": section.device.type, "devices": 1, "max_epochs": 1},
        **{"callbacks": [callback], "logger": [CSVLog(section.folder)]},
        **{"enable_checkpointing": False, "enable_progress_bar": False},
        enable_model_summary=False,
    )
    loader = DataLoader(data, batch_size=None)  # type: ignore[arg-type]
    start = time.process_time()
    trainer.fit(model, loader)
    return (time.process_time() - start) / steps, callback.seconds / steps


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
