"""What training costs: time and processor time of a step, waiting for data, memory, utilisation."""

import os
import sys
import time
from statistics import mean, median
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer

_MEGABYTE = 2**20


class Cost(Callback):
    """Logs ``cost/<cost>`` at the end of each epoch, of the first rank.

    - ``step_seconds``: median time of a step, waiting for its data included, validation not;
    - ``data_seconds``: median time that a step waited for its data;
    - ``cpu_seconds``: mean processor time of a step, of this process without the loader's workers:
      the steadier number on a machine that does other things, too;
    - ``peak_memory_mb``: of the GPU what torch allocated at most in a step, validation not, in MiB;
      on a CPU the process's largest resident memory ever, which hardly tells losses apart;
    - ``utilisation``: of the GPU in percent, sampled at each step, where its driver tells; on a CPU
      processor time over time and threads.

    The first step of a process is left out: it warms up.
    """

    def __init__(self) -> None:
        self._steps: list[tuple[float, float, float]] = []  # time, waiting, processor time
        self._busy: list[float] = []
        self._begun: tuple[float, float] | None = None  # clocks at the end of the last step
        self._waited = 0.0
        self._step = -1
        self._in_step = False  # or validating
        self._peak = 0.0  # of the steps before the last validation

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The first step warms up."""
        self._begun, self._steps, self._busy = None, [], []

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """The data is here."""
        if not self._in_step and pl_module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(pl_module.device)  # what validation took
        self._in_step = True
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._step, self._waited = trainer.global_step, 0.0
        if self._begun is not None:
            self._waited += time.perf_counter() - self._last

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note what the step took, when it is done."""
        self._last = time.perf_counter()
        if trainer.global_step == self._step:  # more batches are to be accumulated
            return
        now = self._last, time.process_time()
        if self._begun is not None:
            wall, cpu = now[0] - self._begun[0], now[1] - self._begun[1]
            self._steps.append((wall, self._waited, cpu))
            self._busy.append(_utilisation(pl_module.device, wall, cpu))
        self._begun = now

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """What comes now is no part of a step."""
        self._begun = None
        if self._in_step and not trainer.sanity_checking:
            self._peak = max(self._peak, _peak_memory(pl_module.device))
        self._in_step = False

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the epoch's costs."""
        self._begun = None
        if not self._steps or not trainer.is_global_zero:
            return
        now = _peak_memory(pl_module.device) if self._in_step else 0.0
        peak, self._peak = max(self._peak, now), 0.0
        walls, waits, cpus = zip(*self._steps, strict=True)
        costs = {
            "step_seconds": median(walls),
            "data_seconds": median(waits),
            "cpu_seconds": mean(cpus),
            "peak_memory_mb": peak or float("nan"),
            "utilisation": mean(self._busy),
        }
        self._steps, self._busy = [], []
        metrics = {f"cost/{cost}": value for cost, value in costs.items() if value == value}
        for logger in trainer.loggers:
            logger.log_metrics(metrics, trainer.global_step - 1)


def _utilisation(device: torch.device, wall: float, cpu: float) -> float:
    """Percent; NaN where it cannot be known."""
    if device.type == "cpu":
        threads = min(torch.get_num_threads(), os.cpu_count() or 1)
        return 100 * cpu / (wall * threads)
    try:
        return float(torch.cuda.utilization(device))
    except Exception:  # the driver's library is missing or refuses, in several ways
        return float("nan")


def _peak_memory(device: torch.device) -> float:
    """MiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / _MEGABYTE
    try:
        import resource
    except ModuleNotFoundError:  # Windows has none
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / _MEGABYTE if sys.platform == "darwin" else peak / 1024  # bytes there, KiB here
