"""What the training set holds of each class, shown before training starts."""

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console

from lit_seg.data.base import SegDataModule
from lit_seg.imbalance import imbalance_line, imbalance_table


class ImbalanceReport(Callback):
    """Prints share, images and group of each class when training starts, on the first rank.

    Args:
        show: false for silence.
    """

    def __init__(self, show: bool = True) -> None:
        self.show = show

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print it."""
        data = getattr(trainer, "datamodule", None)
        if not self.show or not trainer.is_global_zero or not isinstance(data, SegDataModule):
            return
        names, counts = data.class_names, data.class_counts
        console = Console()
        console.print(imbalance_table(counts, names, f"training set of {data.folder}"))
        console.print(imbalance_line(counts, names), highlight=False, markup=False, soft_wrap=True)
