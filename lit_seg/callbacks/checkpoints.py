"""The two checkpoints of a run: the best by validation, and the last, to go on from."""

from lightning_utilities.core.rank_zero import rank_zero_info
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from lit_seg.loggers import CSVLog


class BestCheckpoint(ModelCheckpoint):
    """``best.ckpt``: the highest ``val/miou`` so far.

    Args:
        dirpath: the folder it is written to; set by the command line.
        monitor: the metric that chooses, larger is better.
    """

    def __init__(self, dirpath: str | None = None, monitor: str = "val/miou") -> None:
        super().__init__(dirpath, "best", monitor=monitor, mode="max", enable_version_counter=False)


class LastCheckpoint(ModelCheckpoint):
    """``last.ckpt``: at the end of each epoch, and when Ctrl-C, SIGTERM or an error ends the run.

    When a run goes on from it, rows that were logged after it are dropped from the CSV files, for
    they will be logged again.

    Args:
        dirpath: the folder it is written to; set by the command line.
        every_n_train_steps: write it after so many steps, in place of each epoch; for epochs of
            hours.
    """

    def __init__(self, dirpath: str | None = None, every_n_train_steps: int | None = None) -> None:
        super().__init__(
            dirpath,
            "last",
            every_n_train_steps=every_n_train_steps,
            save_on_exception=True,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Write the checkpoint and say how to go on."""
        super().on_exception(trainer, pl_module, exception)
        if trainer.global_step > 0:
            rank_zero_info(
                f"stopped after {trainer.global_step} steps; go on by "
                f"`make train RESUME={trainer.default_root_dir}`"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drop the rows that the resumed steps will write again."""
        super().on_train_start(trainer, pl_module)
        for logger in trainer.loggers:
            if isinstance(logger, CSVLog):
                logger.keep_before(trainer.global_step)
