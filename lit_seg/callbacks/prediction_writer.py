"""Writes the files of ``python -m lit_seg predict``."""

from pathlib import Path
from typing import Any

import numpy as np
from pytorch_lightning import Callback, LightningModule, Trainer

from lit_seg.data.base import SegDataModule
from lit_seg.images.overlays import blend, colourise
from lit_seg.images.picture import save_picture


class PredictionWriter(Callback):
    """Writes ``<name>.png`` (8-bit class ids) and ``<name>_overlay.png`` for each image.

    Names keep the subfolders of the dataset.

    Args:
        folder: to write to; ``predictions`` in the run's folder by default.
    """

    def __init__(self, folder: str | None = None) -> None:
        self.folder = folder

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        """Write the predictions of a batch, ``(N, H, W)`` class ids."""
        data: SegDataModule = trainer.datamodule  # type: ignore[attr-defined]
        folder = self._folder_of(trainer)
        labels = outputs.cpu().numpy().astype(np.uint8)
        images = batch["image"].cpu().numpy().transpose(0, 2, 3, 1)
        for name, image, label in zip(batch["name"], images, labels, strict=True):
            if not name:  # it only fills the batch of this rank; another rank writes the image
                continue
            overlay = blend(image, colourise(label, data.palette))
            save_picture(folder / f"{name}.png", label)
            save_picture(folder / f"{name}_overlay.png", overlay)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            print(f"predictions: {self._folder_of(trainer)}")  # noqa: T201  the command's result

    def _folder_of(self, trainer: Trainer) -> Path:
        return Path(self.folder or Path(trainer.default_root_dir) / "predictions")
