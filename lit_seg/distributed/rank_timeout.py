"""Handles ranks: how they are started, how long they wait, and what they say of a lost rank.

torchrun (or SLURM) starts the ranks. A rank that waits for another one gives up after
``--rank_timeout`` seconds, and at once when the connection breaks; torchrun then ends the others.
"""

import os
import sys
import time
from datetime import timedelta
from typing import Any

import torch.distributed as dist
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_utilities.core.rank_zero import rank_zero_info
from pytorch_lightning import Trainer
from torch import cuda

from lit_seg.distributed.meeting import PunctualDDP
from lit_seg.errors import RunError

_STRATEGIES: dict[str, dict[str, Any]] = {
    "auto": {},
    "ddp": {},
    "ddp_find_unused_parameters_false": {"find_unused_parameters": False},
    "ddp_find_unused_parameters_true": {"find_unused_parameters": True},
}
_LOST_RANK = (  # parts of the plain RuntimeError of gloo, and of the store behind all backends
    *("gloo/", "Connection closed by peer", "Connection reset by peer", "Broken pipe"),
    *("Timed out waiting", "wait timeout after", "timeout caused pair closure"),
)


def ranks_started() -> int:
    """Number of ranks that torchrun or SLURM started; 1 without them."""
    if dist.is_torchelastic_launched():
        return int(os.environ["WORLD_SIZE"])
    return SLURMEnvironment().world_size() if SLURMEnvironment.detect() else 1


def is_first_rank() -> bool:
    """Whether this process is the first rank; also before the ranks have met."""
    if dist.is_torchelastic_launched():
        return os.environ["RANK"] == "0"
    return not SLURMEnvironment.detect() or os.environ.get("SLURM_PROCID", "0") == "0"


def trainer_options(config: Any, timeout: float) -> dict[str, Any]:
    """Find the options of ``Trainer`` that follow from how this process was started.

    Args:
        config: the options that the user gave to the trainer.
        timeout: the longest time in seconds that a rank waits for another one.
    """
    options: dict[str, Any] = {}
    if config.devices == "auto" and (
        dist.is_torchelastic_launched() or not SLURMEnvironment.detect()
    ):
        options["devices"] = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        gpus = cuda.device_count() if config.accelerator in ("auto", "gpu", "cuda") else 0
        if gpus > options["devices"]:
            rank_zero_info(f"{options['devices']} of {gpus} GPUs used; `GPUS={gpus}` uses all")
    if dist.is_torchelastic_launched() and config.num_nodes == 1:
        options["num_nodes"] = int(os.environ["GROUP_WORLD_SIZE"])
    if ranks_started() > 1 and isinstance(config.strategy, str) and config.strategy in _STRATEGIES:
        options["strategy"] = PunctualDDP(
            timedelta(seconds=timeout), **_STRATEGIES[config.strategy]
        )
    return options


def check_ranks(trainer: Trainer, command: str | None) -> None:
    """Refuse a trainer that would wait for ranks that nobody started; say how to start them."""
    asked, started = trainer.world_size, ranks_started()
    if asked == started or (asked == 1 and not dist.is_torchelastic_launched()):
        return
    raise RunError(
        f"`trainer.devices` and `trainer.num_nodes` ask for {asked} processes, and {started} "
        f"{'was' if started == 1 else 'were'} started. `make` starts them by GPUS={asked}, on a "
        f"CPU by PROCESSES={asked}; without make, give the options of this command to `torchrun "
        f"--standalone --nproc-per-node {asked} -m lit_seg {command}`. One process needs "
        "`--trainer.devices 1` and the whole batch as `--data.init_args.batch_size`"
    )


def lost_rank(error: BaseException) -> str | None:
    """Write the message for a rank that lost another one; None for any other error."""
    text = str(error)
    is_of_ranks = isinstance(error, dist.DistError) or any(part in text for part in _LOST_RANK)
    if not isinstance(error, RuntimeError) or not is_of_ranks:
        return None
    reason = text.splitlines()[0].rsplit("] ", 1)[-1] if text else type(error).__name__
    rank, ranks = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "?")
    if dist.is_available() and dist.is_initialized():
        rank, ranks = str(dist.get_rank()), str(dist.get_world_size())
    return (
        f"rank {rank} of {ranks} lost another rank at {time.strftime('%H:%M:%S')} ({reason}): the "
        "other one died, or it hangs and --rank_timeout was reached. Look at the message of the "
        "rank that ended first, then go on by `make train RESUME=<run>` with the same GPUS or "
        "PROCESSES"
    )


def end_process(code: int) -> int:
    """End a rank that failed at once: the interpreter's own end would abort on open connections."""
    if code == 0 or not (dist.is_available() and dist.is_initialized()):
        return code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
