"""Measures the cost of training: time per step, waiting for data, memory and utilisation."""

import os
import resource
import sys
import time
from statistics import mean, median
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.profilers import Profiler

from lit_seg.runs.records import stat_of

_MEGABYTE = 2**20
_FETCH = "train_dataloader_next"
"""The end of the name that Lightning gives its wait for the loader."""


class _Fetches:
    """A profiler that also sums up how long the training waits for its loader."""

    def __init__(self, profiler: Profiler) -> None:
        self.profiler = profiler
        self.seconds = 0.0
        self._begun = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.profiler, name)

    def start(self, action_name: str) -> None:
        self.profiler.start(action_name)
        self._begun = time.perf_counter()

    def stop(self, action_name: str) -> None:
        if action_name.endswith(_FETCH):
            self.seconds += time.perf_counter() - self._begun
        self.profiler.stop(action_name)


class Cost(Callback):
    """Logs ``cost/<cost>`` of the first rank at the end of each epoch.

    - ``step_seconds``: median time of a step, with waiting for its data and without validation;
    - ``data_seconds``: median time that a step waited for its loader;
    - ``data_share``: waiting for data in percent of the time of the epoch's steps;
    - ``cpu_seconds``: mean processor time of a step in this process, without the loader's workers;
      on a machine that also does other work it is the steadier number;
    - ``peak_memory_mb``: on a GPU the most memory in MiB that torch allocated in a step; on a CPU
      the largest resident memory of the process, which hardly differs between losses;
    - ``utilisation``: on a GPU its utilisation in percent, sampled once a second, if the driver
      reports it; on a CPU processor time divided by time and threads.

    The first step of a process is not counted, because it warms up.
    """

    def __init__(self) -> None:
        # time, waiting, processor time and utilisation of each step
        self._steps: list[tuple[float, float, float, float]] = []
        self._begun: tuple[float, float] | None = None  # clocks at the end of the last step
        self._fetches: _Fetches | None = None
        self._waited = 0.0
        self._step = -1
        self._in_step = False  # or validating
        self._peak = 0.0  # in the steps before the last validation
        self._asked = float("-inf")  # when the driver was asked for its utilisation
        self._driver_says = float("nan")

    def on_train_start(self, trainer: Any, pl_module: LightningModule) -> None:
        """Do not count the first step, which warms up."""
        self._begun, self._steps = None, []
        # between the hooks around the wait lies the work of other callbacks and loggers, too
        self._fetches = _Fetches(trainer.profiler)
        trainer.profiler = self._fetches

    def teardown(self, trainer: Any, pl_module: LightningModule, stage: str) -> None:
        """Give the trainer its profiler back."""
        if self._fetches is not None:
            trainer.profiler, self._fetches = self._fetches.profiler, None

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Measure how long the step waited for its data."""
        if not self._in_step and pl_module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(pl_module.device)  # without validation
        self._in_step = True
        if batch_idx % trainer.accumulate_grad_batches == 0:
            self._step, self._waited = trainer.global_step, 0.0
        assert self._fetches is not None
        self._waited += self._fetches.seconds
        self._fetches.seconds = 0.0

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Store the cost of the step after its last batch."""
        self._last = time.perf_counter()
        if trainer.global_step == self._step:  # more batches will be accumulated
            return
        now = self._last, time.process_time()
        if self._begun is not None:
            wall, cpu = now[0] - self._begun[0], now[1] - self._begun[1]
            self._steps.append((wall, self._waited, cpu, self._busy(pl_module.device, wall, cpu)))
        self._begun = now

    def _busy(self, device: torch.device, wall: float, cpu: float) -> float:
        """Utilisation in a step in percent; NaN if it is unknown."""
        if device.type == "cpu":
            threads = min(torch.get_num_threads(), os.cpu_count() or 1)
            return 100 * cpu / (wall * threads)
        # The driver reports a mean over up to a second, and asking it can take as long as a step.
        if self._last > self._asked + 1:
            self._asked = self._last
            try:
                self._driver_says = float(torch.cuda.utilization(device))
            except Exception:  # the driver's library is missing or refuses, in several ways
                self._driver_says = float("nan")
        return self._driver_says

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock, because a validation is no part of a step."""
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
        walls, waits, cpus, busy = zip(*self._steps, strict=True)
        self._steps = []
        costs = {
            "step_seconds": median(walls),
            "data_seconds": median(waits),
            "data_share": 100 * sum(waits) / sum(walls),
            "cpu_seconds": mean(cpus),
            "peak_memory_mb": peak or float("nan"),
            "utilisation": mean(busy),
        }
        metrics = {stat_of("cost", cost): value for cost, value in costs.items() if value == value}
        for logger in trainer.loggers:
            logger.log_metrics(metrics, trainer.global_step - 1)


def _peak_memory(device: torch.device) -> float:
    """Measure the peak memory in MiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / _MEGABYTE
    unit = _MEGABYTE if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
