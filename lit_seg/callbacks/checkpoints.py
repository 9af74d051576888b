"""The two checkpoints of a run: the best by validation, and the last, to go on from."""

import signal
import threading
from typing import Any

from lightning_utilities.core.rank_zero import rank_zero_info
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities.exceptions import SIGTERMException

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
        self._asked_to_stop = False

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
        """Drop the rows that the resumed steps will write again; listen to SIGTERM on all ranks."""
        super().on_train_start(trainer, pl_module)
        if trainer.world_size > 1 and threading.current_thread() is threading.main_thread():
            self._listen(trainer)
        for logger in trainer.loggers:
            if isinstance(logger, CSVLog):
                logger.keep_before(trainer.global_step)

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Stop all ranks at the same step when one of them was asked to."""
        # Lightning logs at this count, and adds 1 to it when a run goes on from mid-epoch
        trainer.fit_loop.epoch_loop._batches_that_stepped = trainer.global_step
        if trainer.world_size > 1 and trainer.strategy.reduce_boolean_decision(
            self._asked_to_stop, all=False
        ):
            raise SIGTERMException

    def _listen(self, trainer: Trainer) -> None:
        """Note a SIGTERM and pass it on to the ranks that this process started.

        Lightning's own handler enters a collective from inside the signal, while the process may
        be in another one: with two ranks that hangs more often than not.
        """

        def note(signum: int, frame: object) -> None:
            if not self._asked_to_stop:
                self._asked_to_stop = True
                if trainer.strategy.launcher is not None:
                    trainer.strategy.launcher.kill(signal.Signals(signum))

        signal.signal(signal.SIGTERM, note)
