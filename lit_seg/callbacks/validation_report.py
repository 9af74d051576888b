"""Writes counts per image, a few predictions and tables for W&B after each validation."""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.utils.data import default_collate

from lit_seg.checkpoints.averaged_weights import scored_weights
from lit_seg.data.base import SegDataModule
from lit_seg.files.atomic_io import replace_text
from lit_seg.images.bands import as_picture
from lit_seg.images.open_and_save import save_picture
from lit_seg.images.overlays import side_by_side
from lit_seg.loggers.wandb_log import wandb_run
from lit_seg.metrics import ClassScores
from lit_seg.metrics.labels import VOID
from lit_seg.metrics.scores import CLASS_STATS, MEANS
from lit_seg.runs.csv_rows import metrics
from lit_seg.runs.layout import METRICS, PICTURES, VAL_IMAGES
from lit_seg.runs.reader import COUNTS
from lit_seg.runs.records import GLOBAL_STEP, stat_of
from lit_seg.tasks import LitSegmenter


class ValidationReport(Callback):
    """Writes into the run's folder what the last validation found, and tables and masks to W&B.

    ``val_images.csv`` holds the counts that all scores are made of, per image and class: enough to
    score parts of the set, or to resample it. ``pictures/`` holds a fixed set of images with truth
    and prediction, ``overlays.png`` the same side by side.

    Args:
        num_images: pictures of the fixed set, chosen from the truth alone: for each class, the
            rarest in training first, the image with most of it. 0 for none.
    """

    def __init__(self, num_images: int = 4) -> None:
        if num_images < 0:
            raise ValueError(f"`num_images` must not be negative, got {num_images}")
        self.num_images = num_images

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report on the validation that just ended, on the first rank."""
        if trainer.sanity_checking or not trainer.is_global_zero:
            return
        if getattr(trainer, "fast_dev_run", False):
            return
        if trainer.state.fn != "fit" and not trainer.global_step:
            return  # no run to report on, a checkpoint is scored
        assert isinstance(pl_module, LitSegmenter)
        names, counts = pl_module.class_names, pl_module.image_counts
        path = Path(trainer.default_root_dir) / VAL_IMAGES
        replace_text(path, image_table(counts, names))
        log: dict[str, Any] = {GLOBAL_STEP: trainer.global_step - 1}
        run = wandb_run(trainer)
        if run is not None and pl_module.scores is not None:
            log |= _tables(pl_module.scores, names)
        if self.num_images:
            chosen = chosen_images(counts, pl_module.class_pixels, self.num_images)
            log["val/overlays"] = _pictures(trainer, pl_module, chosen, for_wandb=run is not None)
        if run is not None:
            run.log(log)
            run.summary.update(best_scores(path.with_name(METRICS)))


def image_table(counts: Mapping[str, Tensor], class_names: Sequence[str]) -> str:
    """Write CSV with a row per image and class that is labelled or predicted in it."""
    rows = [
        (image, name, *column)
        for image, count in counts.items()
        for name, column in zip(class_names, count.T.tolist(), strict=True)
        if any(column)
    ]
    table = pd.DataFrame(rows, columns=["image", "class", *COUNTS])
    text: str = table.to_csv(index=False, lineterminator="\n")
    return text


def chosen_images(
    counts: Mapping[str, Tensor], class_pixels: Sequence[int], number: int
) -> list[str]:
    """Choose images to look at: for each class, the rarest first, one with many of its pixels.

    The choice does not depend on what was predicted.

    Args:
        counts: of each image ``(3, C)``; the first row is what is labelled.
        class_pixels: of the training set, by which classes are rare.
        number: at most so many, if possible of different films, whose names differ in more than
            the last number, and not neighbours in the order of their names.
    """
    images = sorted(counts)
    labelled = np.array([counts[name][0].tolist() for name in images])
    rarest_first = sorted(range(len(class_pixels)), key=lambda c: class_pixels[c])
    films = np.array([re.sub(r"\d+\D*$", "", name) for name in images])
    chosen: list[int] = []
    # neighbours are often frames of one film: at first they are passed over
    for apart in (2 * len(images) // (3 * number), 0):
        for c in rarest_first:
            if len(chosen) == min(number, len(images)):
                break
            pixels = labelled[:, c].copy()
            for i in chosen:
                pixels[max(0, i - apart) : i + apart + 1] = 0
            of_others = np.where(np.isin(films, films[chosen]), 0, pixels)
            if pixels.any():
                chosen.append(int((of_others if of_others.any() else pixels).argmax()))
    return [images[i] for i in chosen]


def _pictures(
    trainer: Trainer, module: LitSegmenter, names: Sequence[str], for_wandb: bool
) -> list[Any]:
    """Predict images and write them; return them with their masks if they are ``for_wandb``."""
    data: SegDataModule = trainer.datamodule  # type: ignore[attr-defined]
    dataset = trainer.val_dataloaders.dataset  # type: ignore[union-attr]
    index = {dataset.split.name(i): i for i in range(len(dataset))}
    labels = {**dict(enumerate(module.class_names)), VOID: "void"}
    folder = Path(trainer.default_root_dir)
    rows, found = [], []
    for name in names:  # one by one, since their sizes may differ
        sample = dataset[0, index[name], 0]
        batch = module.transfer_batch_to_device(default_collate([sample]), module.device, 0)
        context = trainer.precision_plugin.forward_context()
        with torch.no_grad(), context, scored_weights(trainer, module):
            prediction = module.predict_step(batch, 0)[0].cpu().numpy().astype(np.uint8)
        image = as_picture(sample["image"].numpy().transpose(1, 2, 0))
        truth = sample["target"].numpy().astype(np.uint8)
        rows.append(side_by_side(image, truth, prediction, data.palette))
        save_picture(folder / PICTURES / f"{name}_image.jpg", image, quality=90)
        save_picture(folder / PICTURES / f"{name}_truth.png", truth)
        save_picture(folder / PICTURES / f"{name}_prediction.png", prediction)
        if for_wandb:
            import wandb

            masks = {"prediction": prediction, "truth": truth}
            with_names = {k: {"mask_data": m, "class_labels": labels} for k, m in masks.items()}
            found.append(wandb.Image(image, caption=name, masks=with_names))
    if rows:
        width = max(row.shape[1] for row in rows)
        padded = [np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows]
        save_picture(folder / "overlays.png", np.concatenate(padded))
    return found


def best_scores(path: Path) -> dict[str, float]:
    """Find the best of each score in ``metrics.csv`` so far; W&B's own summary has the last."""
    rows = metrics(path, ["val"])
    values = rows[rows["class"] == ""].groupby("stat")["value"]
    best = {name: values.max().get(stat_of("val", name)) for name in MEANS}
    best |= {name: values.min().get(stat_of("val", name)) for name in ("loss", "ce")}
    return {
        f"best/{name}": value
        for name, value in best.items()
        if value is not None and value == value
    }


def _tables(scores: ClassScores, class_names: list[str]) -> dict[str, Any]:
    import wandb  # which a run without it need not have

    columns = [scores.iou, scores.recall, scores.precision, scores.confusion.sum(1).double()]
    rows = zip(class_names, *(column.tolist() for column in columns), strict=True)
    pairs = zip(product(class_names, class_names), scores.confusion.flatten().tolist(), strict=True)
    confusion = wandb.Table(
        columns=["Actual", "Predicted", "nPredictions"],
        data=[[actual, predicted, number] for (actual, predicted), number in pairs],
    )
    fields = {name: name for name in confusion.columns}
    return {
        "val/classes": wandb.Table(
            columns=["class", *CLASS_STATS, "pixels"], data=[list(row) for row in rows]
        ),
        "val/confusion": wandb.plot_table("wandb/confusion_matrix/v1", confusion, fields),
    }
