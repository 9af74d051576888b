"""After each validation: a per-class table, a few predictions to look at, the confusion matrix."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import wandb
from PIL import Image
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.utils.data import default_collate

from lit_seg.callbacks.pictures import side_by_side
from lit_seg.data.base import SegDataModule
from lit_seg.labels import VOID
from lit_seg.loggers import wandb_run
from lit_seg.metrics import ClassScores
from lit_seg.tasks import LitSegmenter
from lit_seg.writing import writing


class ValidationReport(Callback):
    """Writes ``overlays.png`` into the run's folder, and tables and masks to W&B.

    Args:
        num_images: pictures of the fixed set, spread evenly over the validation images; 0 for
            none.

    Raises:
        ValueError: if ``num_images`` is negative.
    """

    def __init__(self, num_images: int = 4) -> None:
        if num_images < 0:
            raise ValueError(f"`num_images` must not be negative, got {num_images}")
        self.num_images = num_images

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report on the validation that just ended, on the first rank."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        if trainer.state.fn != "fit" and not trainer.global_step:
            return  # no run to report on, a checkpoint is scored
        assert isinstance(pl_module, LitSegmenter)
        log: dict[str, Any] = {}
        run = wandb_run(trainer)
        if run is not None and pl_module.scores is not None:
            log.update(_tables(pl_module.scores, pl_module.class_names))
        if self.num_images:
            log.update(self._pictures(trainer, pl_module, for_wandb=run is not None))
        if run is not None:
            run.log({**log, "trainer/global_step": trainer.global_step - 1})

    def _pictures(self, trainer: Trainer, module: LitSegmenter, for_wandb: bool) -> dict[str, Any]:
        data: SegDataModule = trainer.datamodule  # type: ignore[attr-defined]
        dataset = trainer.val_dataloaders.dataset  # type: ignore[union-attr]
        chosen = np.linspace(0, len(dataset) - 1, min(self.num_images, len(dataset))).round()
        samples = [dataset[0, int(i), 0] for i in chosen]
        rows, images = [], []
        for sample in samples:  # one by one, since their sizes may differ
            batch = module.transfer_batch_to_device(default_collate([sample]), module.device, 0)
            with torch.no_grad(), trainer.precision_plugin.forward_context():
                prediction = module.predict_step(batch, 0)[0].cpu().numpy()
            image = sample["image"].numpy().transpose(1, 2, 0)
            truth = sample["target"].numpy()
            rows.append(side_by_side(image, truth, prediction, data.palette))
            images.append((sample["name"], image, truth, prediction))
        width = max(row.shape[1] for row in rows)
        padded = [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows]
        path = Path(trainer.default_root_dir) / "overlays.png"
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.concatenate(padded)).save(path)
        return {"val/overlays": _masks(images, module.class_names)} if for_wandb else {}


def _masks(images: list[tuple[Any, ...]], class_names: list[str]) -> list[Any]:
    labels = {**dict(enumerate(class_names)), VOID: "void"}
    return [
        wandb.Image(
            image,
            caption=name,
            masks={
                "prediction": {"mask_data": prediction.astype(np.uint8), "class_labels": labels},
                "truth": {"mask_data": truth.astype(np.uint8), "class_labels": labels},
            },
        )
        for name, image, truth, prediction in images
    ]


def _tables(scores: ClassScores, class_names: list[str]) -> dict[str, Any]:
    columns = ["class", "iou", "recall", "precision", "pixels"]
    pixels = scores.confusion.sum(1)
    rows = [
        [
            name,
            *(float(column[c]) for column in (scores.iou, scores.recall, scores.precision, pixels)),
        ]
        for c, name in enumerate(class_names)
    ]
    pairs = wandb.Table(
        columns=["Actual", "Predicted", "nPredictions"],
        data=[
            [class_names[i], class_names[j], int(scores.confusion[i, j])]
            for i in range(len(class_names))
            for j in range(len(class_names))
        ],
    )
    fields = {name: name for name in pairs.columns}
    return {
        "val/classes": wandb.Table(columns=columns, data=rows),
        "val/confusion": wandb.plot_table("wandb/confusion_matrix/v1", pairs, fields),
    }
