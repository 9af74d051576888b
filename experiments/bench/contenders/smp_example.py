"""Training as smp's examples with Lightning do it, in our words.

Their habits: OpenCV and albumentations, four loading processes, Dice loss, Adam with a cosine
schedule of steps, ``smp.metrics`` in each step, aggregated at the end of each epoch.
"""

import os
import sys
from typing import Any

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import asks the network for news
import albumentations as A
import cv2
import numpy as np
import segmentation_models_pytorch as smp
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from experiments.bench.contenders.job import MEAN, STD, Job, network, step_ended

WORKERS = 4
VOID = 255


class Pairs(Dataset[tuple[np.ndarray, np.ndarray]]):
    """Images and labels by OpenCV and albumentations."""

    def __init__(self, pairs: list[tuple[str, str]], job: Job, train: bool) -> None:
        height, width = job.size
        self.pairs, self.void = pairs, job.void
        border = {"border_mode": cv2.BORDER_CONSTANT, "fill": 0, "fill_mask": VOID}
        scale = tuple(factor - 1 for factor in job.scale)
        augment = [
            A.RandomScale(scale, p=1.0),
            A.PadIfNeeded(height, width, **border),
            A.RandomCrop(height, width),
            A.HorizontalFlip(p=0.5),
        ]
        self.transform = A.Compose([A.Resize(height, width), *(augment if train else [])])

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image = cv2.cvtColor(cv2.imread(self.pairs[index][0]), cv2.COLOR_BGR2RGB)
        label = cv2.imread(self.pairs[index][1], cv2.IMREAD_UNCHANGED)
        label = np.where(label == self.void, VOID, label)
        sample = self.transform(image=image, mask=label)
        return sample["image"].transpose(2, 0, 1), sample["mask"].astype(np.int64)


class Example(LightningModule):
    """Network, Dice loss and metrics."""

    def __init__(self, job: Job, steps: int) -> None:
        super().__init__()
        self.classes, self.steps = job.classes, steps
        self.model = network(job.classes)
        self.loss_fn = smp.losses.DiceLoss("multiclass", ignore_index=VOID)
        # it looks these up on a hub
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.outputs: list[tuple[Tensor, ...]] = []

    def _step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        image, mask = batch
        logits = self.model((image / 255 - self.mean) / self.std)
        loss = self.loss_fn(logits, mask)
        predicted = logits.softmax(1).argmax(1)
        options = {"mode": "multiclass", "num_classes": self.classes, "ignore_index": VOID}
        self.outputs.append(smp.metrics.get_stats(predicted, mask, **options))
        return loss

    def _score(self, stage: str) -> None:
        tp, fp, fn, tn = (torch.cat(parts) for parts in zip(*self.outputs, strict=True))
        for reduction in ("micro-imagewise", "micro"):
            iou = smp.metrics.iou_score(tp, fp, fn, tn, reduction=reduction)
            self.log(f"{stage}_{reduction}_iou", iou, prog_bar=True)
        self.outputs.clear()

    def training_step(self, batch: Any, _: int) -> Tensor:
        """Loss and counts."""
        loss = self._step(batch)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def on_train_epoch_end(self) -> None:
        """Scores of the epoch."""
        self._score("train")

    def validation_step(self, batch: Any, _: int) -> None:
        """Counts."""
        self._step(batch)

    def on_validation_epoch_end(self) -> None:
        """Scores of the pass."""
        self._score("valid")

    def on_validation_epoch_start(self) -> None:
        """Keep the counts of training apart."""
        self.of_training, self.outputs = self.outputs, []

    def on_validation_end(self) -> None:
        """Take them up again."""
        self.outputs = self.of_training

    def configure_optimizers(self) -> Any:
        """Adam with a cosine schedule of steps."""
        optimizer = torch.optim.Adam(self.parameters(), lr=2e-4)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps, 1e-5)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class Told(Callback):
    """Tells the parent of each step."""

    def on_train_batch_end(self, *_: Any) -> None:
        """After the optimizer."""
        step_ended()


def main(job: Job) -> None:
    """Train all epochs."""
    train = DataLoader(Pairs(job.train, job, True), job.batch, shuffle=True, num_workers=WORKERS)
    val = DataLoader(Pairs(job.val, job, False), job.batch, num_workers=WORKERS)
    trainer = Trainer(
        **{"max_epochs": job.epochs, "log_every_n_steps": 1, "default_root_dir": job.folder},
        callbacks=[Told()],
    )
    trainer.fit(Example(job, job.epochs * len(train)), train, val)


if __name__ == "__main__":
    main(Job.load(sys.argv[1]))
