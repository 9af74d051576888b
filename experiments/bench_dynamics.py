"""What watching each class costs: the share of the training time that `ClassDynamics` takes.

`make bench` runs it. Its hooks are timed within the training itself, so that a machine which slows
down slows both. The logging of the numbers to CSV is included.
"""

import logging
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Trainer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch.utils.data import DataLoader

from lit_seg.callbacks.class_dynamics import ClassDynamics
from lit_seg.loggers.csv_log import CSVLog
from lit_seg.tasks import LitSegmenter

BATCH, STEPS = 8, 20
LIGHT = {"architecture": "unet", "options": {"decoder_channels": [128, 64, 32, 32, 16]}}
MODELS = {
    "unet resnet18, halved decoder, 128x192, 12 classes": (LIGHT, (128, 192), 12),
    "unet resnet18, halved decoder, 128x192, 150 classes": (LIGHT, (128, 192), 150),
    "deeplabv3plus resnet18, 240x320, 19 classes": (
        {"architecture": "deeplabv3plus"}, (240, 320), 19,
    ),
}  # fmt: skip


class Timed(ClassDynamics):
    """Sums up the seconds that its hooks take."""

    seconds = 0.0

    def __init__(self) -> None:
        super().__init__()
        own = "_watch", "_add_gradient"
        for hook in ("on_train_batch_start", *own, "on_after_backward", "on_train_batch_end"):
            setattr(self, hook, self._timed(getattr(self, hook)))

    def _timed(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **options: Any) -> Any:
            start = time.perf_counter()
            result = hook(*args, **options)
            self.seconds += time.perf_counter() - start
            return result

        return timed


def share(options: dict[str, Any], size: tuple[int, int], classes: int) -> float:
    """The share of the time of a training that the callback takes as it is by default."""
    model = LitSegmenter([1] * classes, **options)
    image = torch.randint(0, 256, (BATCH, 3, *size), dtype=torch.uint8)
    target = torch.randint(0, classes, (BATCH, *size))
    data = [{"image": image, "target": target, "name": ["x"] * BATCH}] * STEPS
    callback = Timed()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            accelerator="cpu", max_epochs=1, precision="bf16-mixed", callbacks=[callback],
            logger=[CSVLog(Path(folder))], enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False,
        )  # fmt: skip
        start = time.perf_counter()
        trainer.fit(model, DataLoader(data, batch_size=None))  # type: ignore[arg-type]
        return callback.seconds / (time.perf_counter() - start)


def main() -> None:
    """Measure all networks and print a table."""
    title = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, "
    title += f"torch {torch.__version__}, batch {BATCH}, bf16-mixed, {STEPS} steps"
    table = Table("network, size, classes", "share of the training time", title=title)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    for name, model in track(MODELS.items(), description="networks"):
        table.add_row(name, f"{100 * share(*model):.2f} %")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
