"""What the training set holds of each class, shown and written before training starts."""

import csv
import io
from pathlib import Path

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console

from lit_seg.data.base import SegDataModule
from lit_seg.data.imbalance import imbalance_line, imbalance_table
from lit_seg.files.atomic_io import replace_text
from lit_seg.runs.layout import DATASET


class ImbalanceReport(Callback):
    """Prints share, images and group of each class when training starts, on the first rank.

    ``dataset.csv`` in the run's folder holds name, training pixels and colour of each class: what
    reads the run back needs neither the data nor a checkpoint.

    Args:
        show: false for silence.
    """

    def __init__(self, show: bool = True) -> None:
        self.show = show

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print and write it."""
        data = getattr(trainer, "datamodule", None)
        if not trainer.is_global_zero or not isinstance(data, SegDataModule):
            return
        if not getattr(trainer, "fast_dev_run", False):
            replace_text(Path(trainer.default_root_dir) / DATASET, dataset_table(data))
        if not self.show:
            return
        names, counts = data.class_names, data.class_counts
        console = Console()
        console.print(imbalance_table(counts, names, f"training set of {data.folder}"))
        console.print(imbalance_line(counts, names), highlight=False, markup=False, soft_wrap=True)


def dataset_table(data: SegDataModule) -> str:
    """CSV: name, training pixels and colour of each class, in the order of their ids."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class", "train_pixels", "colour"])
    pixels = data.class_counts.pixels
    for name, number, rgb in zip(data.class_names, pixels, data.palette, strict=False):
        writer.writerow([name, number, "#{:02x}{:02x}{:02x}".format(*rgb)])
    return text.getvalue()
