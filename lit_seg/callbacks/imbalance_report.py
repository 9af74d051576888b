"""Shows and writes what the training set holds of each class, before training starts."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from pytorch_lightning import LightningModule, Trainer
from rich.console import Console

from lit_seg.checkpoints.first_step import AfterFirstStep
from lit_seg.data.base import SegDataModule
from lit_seg.data.imbalance import imbalance_line, imbalance_table
from lit_seg.files.atomic_io import replace_text
from lit_seg.files.escape import terminal
from lit_seg.images.open_and_save import Colour
from lit_seg.runs.layout import DATASET


class ImbalanceReport(AfterFirstStep):
    """Prints share, images and group of each class when training starts, on the first rank.

    ``dataset.csv`` in the run's folder holds name, training pixels and colour of each class: what
    reads the run back needs neither the data nor a checkpoint.

    Args:
        show: false for silence.
    """

    def __init__(self, show: bool = True) -> None:
        self.show = show

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the table."""
        data = getattr(trainer, "datamodule", None)
        if trainer.is_global_zero and self.show and isinstance(data, SegDataModule):
            names, counts, console = data.class_names, data.class_counts, Console()
            console.print(imbalance_table(counts, names, f"training set of {data.folder}"))
            line = terminal(imbalance_line(counts, names))
            console.print(line, soft_wrap=not console.is_terminal)  # a file has no edge

    def after_first_step(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file, also anew: the data of a run that goes on may have changed."""
        data = getattr(trainer, "datamodule", None)
        if isinstance(data, SegDataModule):
            folder = Path(trainer.default_root_dir)
            write_classes(folder, data.class_names, data.class_counts.pixels, data.palette)


def write_classes(
    folder: Path, names: Sequence[str], pixels: Sequence[int], palette: Sequence[Colour]
) -> None:
    """Write ``dataset.csv``: name, training pixels and colour of each class."""
    colours = ["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in palette]
    rows = zip(names, pixels, colours, strict=False)
    table = pd.DataFrame(rows, columns=["class", "train_pixels", "colour"])
    replace_text(folder / DATASET, table.to_csv(index=False, lineterminator="\n"))
