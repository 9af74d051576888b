"""A function on several ranks of gloo on this machine."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from typing import Any

import torch
import torch.distributed as dist

HOST = "127.0.0.1"


def on_ranks(number: int, function: Callable[..., Any], *args: Any) -> list[Any]:
    """``function(*args)`` at the same time on all ranks, in processes of their own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lit_seg.tasks"])
    store = dist.TCPStore(HOST, 0, is_master=True, wait_for_workers=False)
    with ExitStack() as stack:
        ranks = [
            stack.enter_context(
                ProcessPoolExecutor(1, context, _join, (rank, number, store.port))
            )
            for rank in range(number)
        ]  # fmt: skip
        return [future.result() for future in [rank.submit(function, *args) for rank in ranks]]


def _join(rank: int, number: int, port: int) -> None:
    # without this, gloo looks up the name of the host, which may have no address
    os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    os.environ |= {
        **{"MASTER_ADDR": HOST, "MASTER_PORT": str(port), "TORCHELASTIC_RUN_ID": "bench"},
        **{"RANK": str(rank), "LOCAL_RANK": str(rank), "GROUP_RANK": "0"},
        **{"WORLD_SIZE": str(number), "LOCAL_WORLD_SIZE": str(number), "GROUP_WORLD_SIZE": "1"},
    }
    torch.set_num_threads(1)
    store = dist.TCPStore(HOST, port, is_master=False)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=number)
