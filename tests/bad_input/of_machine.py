"""W&B, devices and ranks that are not there or cannot do what is asked."""

import errno
import os
import sys

import pytest
import torch

from lit_seg.__main__ import main as whole_main
from lit_seg.data import resumable
from lit_seg.tasks import LitSegmenter
from tests.bad_input.case import Case, World


def _environment(**variables: str):
    def provoke(world: World) -> int:
        world.patch.setenv("HOME", str(world.tmp))  # no key to be found there
        for name, value in variables.items():
            world.patch.setenv(name, value)
        return world.fit()

    return provoke


def _gpu(world: World) -> int:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    return world.fit("--trainer.accelerator", "gpu")


def _more_ranks_than_images(world: World) -> int:
    world.patch.setattr(resumable, "rank_and_ranks", lambda: (0, 999))
    return world.fit()


def _rank_of_words(world: World) -> int:
    world.patch.setenv("SLURM_PROCID", "first")
    world.patch.setattr(sys, "argv", ["lit_seg", "fit"])
    return whole_main()


def _diverges(world: World) -> int:
    return world.fit("--model.optimizer.init_args.lr", "1e30", "--trainer.max_steps", "4")


def _fails(error: Exception):
    def step(self: LitSegmenter, batch: object, batch_idx: int) -> None:
        raise error

    def provoke(world: World) -> int:
        world.patch.setattr(LitSegmenter, "training_step", step)
        return world.fit()

    return provoke


def _no_fork(world: World) -> int:
    def refuse() -> int:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    world.patch.setattr(os, "fork", refuse)
    return world.fit("--data.init_args.num_workers", "2")


_BUS_ERROR = " is killed by signal: Bus error. It is possible that they are out of shared memory."

CASES = [
    Case("wandb-mode", _environment(WANDB_MODE="bogus"), ("bogus",)),
    Case("wandb-project", _environment(WANDB_MODE="offline", WANDB_PROJECT="a/b"), ("a/b",)),
    Case("device-no-gpu", _gpu),
    Case("device-none", lambda w: w.fit("--trainer.devices", "0")),
    Case("device-unknown", lambda w: w.fit("--trainer.accelerator", "abacus"), ("abacus",)),
    Case("device-no-tpu", lambda w: w.fit("--trainer.accelerator", "tpu")),
    Case(
        "device-precision",
        lambda w: w.fit("--trainer.precision", "8-true"),
        ("8-true", "bf16-mixed"),
    ),
    Case("ranks-strategy", lambda w: w.fit("--trainer.strategy", "nosuch"), ("nosuch",)),
    Case("ranks-variable", _rank_of_words, ("SLURM_PROCID", "first")),
    Case("ranks-nodes", lambda w: w.fit("--trainer.num_nodes", "0")),
    Case("ranks-started", lambda w: w.fit("--trainer.devices", "3"), ("GPUS=3", "PROCESSES=3")),
    Case("ranks-images", _more_ranks_than_images, ("16", "streets", "999")),
    Case("numbers-not-finite", _diverges, ("scene_0", "nan")),
    Case(
        "ranks-other-strategy",
        lambda w: w.fit("--trainer.strategy", "ddp_spawn"),
        ("ddp_spawn",),
    ),
    Case("memory", _fails(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"))),
    Case("memory-loader", _fails(RuntimeError("DataLoader worker (pid 7) is killed by signal"))),
    Case(
        "memory-shared", _fails(RuntimeError(f"DataLoader worker (pid 7){_BUS_ERROR}")), ("pid 7",)
    ),
    Case("files-open", _fails(RuntimeError("received 0 items of ancdata"))),
    Case("processes-refused", _no_fork, ("2 processes", "unavailable")),
]
