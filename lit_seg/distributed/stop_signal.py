"""Stops a run on Ctrl-C, SIGTERM and the like: it finishes the step and saves before."""

import os
import signal
import threading
import time
from types import FrameType
from typing import Any

import torch.distributed as dist
from lightning_utilities.core.rank_zero import rank_zero_info
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.trainer.states import TrainerFn

from lit_seg.errors import StopRequest, heard_signals, ignore_signals

_SAME_SIGNAL_SECONDS = 1.0


class StopSignal(Callback):
    """Ends training at the next safe point after a signal; one more, a second later, at once.

    Safe points are between steps and, in validation, between batches. The ranks agree on the step
    by what they exchange with each loss: ``wants_to_stop`` of a module becomes ``all_stop`` of all.
    In validation, where they may be at different batches, each stops when it is told: launchers and
    schedulers tell all of them.

    Lightning's own handler enters a collective from inside the signal, while the process may be
    in another one: with two ranks that hangs more often than not.
    """

    def __init__(self) -> None:
        self._signum: int | None = None
        self._since = 0.0
        self._launcher = os.getppid()

    def on_sanity_check_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Listen from the first batch on; the trainer puts back the handlers that were there."""
        self._listen(pl_module)

    on_train_start = on_test_start = on_sanity_check_start

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop between two steps, all ranks at the same."""
        if dist.is_torchelastic_launched() and os.getppid() != self._launcher:
            pl_module.wants_to_stop = True  # nobody is left who would end a rank that hangs
        stop = pl_module.all_stop if trainer.world_size > 1 else pl_module.wants_to_stop
        if stop and batch_idx % trainer.accumulate_grad_batches == 0:
            raise StopRequest(self._signum or signal.SIGTERM, agreed=True)

    def on_validation_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Stop before a validation, which the resumed run holds; listen if there is no training."""
        if trainer.state.fn != TrainerFn.FITTING:
            self._listen(pl_module)
        if pl_module.all_stop:  # several ranks have agreed on it in the last step
            raise StopRequest(self._signum or signal.SIGTERM, agreed=True)
        self.on_validation_batch_start()

    def on_validation_batch_start(self, *args: Any, **kwargs: Any) -> None:
        """Stop an evaluation between two batches."""
        if self._signum is not None:
            raise StopRequest(self._signum)

    on_test_batch_start = on_validation_batch_start

    def on_exception(self, *_: Any) -> None:
        """Let nothing disturb the saving: a launcher signals the others when one rank ends."""
        if self._signum is not None:
            ignore_signals()

    def _listen(self, pl_module: Any) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # only the main thread may

        def note(signum: int, frame: FrameType | None) -> None:
            if self._signum is not None:
                # a terminal, a launcher and a scheduler may all pass on the same signal, and the
                # system repeats SIGXCPU in each second
                repeated = signal.Signals(signum).name == "SIGXCPU"
                if not repeated and time.monotonic() > self._since + _SAME_SIGNAL_SECONDS:
                    raise StopRequest(signum)
                return
            self._signum, self._since = signum, time.monotonic()
            pl_module.wants_to_stop = True
            rank_zero_info(f"{signal.Signals(signum).name}: stopping after this step")

        for signum in heard_signals():
            signal.signal(signum, note)
