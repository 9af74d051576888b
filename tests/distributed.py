"""Processes that train together: a function on two ranks, or the command line on any number.

- Two, because that is the fewest that can disagree, over gloo, which needs no GPU.
- Forked from a server without threads, which imports everything once: a fork of this process would
  copy the locks of its threads without the threads and may hang; a fresh one imports for seconds.
- The two that run functions are kept for the whole session.
- One executor per rank: a pool would be free to give both calls to the same process.
- This process holds the store on a port that the system chooses. Looking for a free port and
  binding it later would leave time for another process to take it.
- A rank that waits for one that failed gives up after ``TIMEOUT``, so that nothing hangs.
"""

import functools
import multiprocessing
import os
import signal
import sys
import uuid
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, Std
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

WORLD_SIZE = 2
TIMEOUT = 60  # seconds
HOST = "127.0.0.1"


def run_on_ranks(fn, *args):
    """``[fn(rank, *args) for each rank]``, run at the same time.

    ``fn`` must be a function of a module, and what it takes and returns must pickle; lists of
    numbers do so more simply than tensors, which would share memory. An exception on a rank is
    raised here.
    """
    ranks, _ = _processes()
    futures = [rank.submit(fn, i, *args) for i, rank in enumerate(ranks)]
    try:
        # twice: the first call also waits for the imports
        return [future.result(2 * TIMEOUT) for future in futures]
    except BaseException:
        # the other rank may be in the middle of a sum: the next call starts anew
        _processes.cache_clear()
        for rank in ranks:
            rank.shutdown(wait=False, cancel_futures=True)
        raise


def run_command_line(args, ranks, errors=None, **environment):
    """The exit code of ``tests/few_streets_cli.py`` on each rank, as `torchrun` starts them.

    The agent of torchrun runs in this process; a rank that fails raises its ``ChildFailedError``.
    What the ranks say goes into the folder ``errors``, if there is one.
    """
    from tests import few_streets_cli

    assert "MASTER_PORT" not in os.environ, "the ranks would wait at another port than their own"
    server()
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=ranks,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        run_id=uuid.uuid4().hex,
        max_restarts=0,
        start_method="forkserver",
        logs_specs=DefaultLogsSpecs(errors and str(errors), Std.ERR if errors else Std.NONE),
    )
    launch = elastic_launch(config, few_streets_cli.run_rank)
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    handlers = {signum: signal.getsignal(signum) for signum in signals}
    try:
        codes = launch(args, {**os.environ, **environment})
    finally:
        for signum, handler in handlers.items():  # the agent leaves its own behind
            signal.signal(signum, handler)
    return [codes[rank] for rank in range(ranks)]


@functools.cache
def server():
    multiprocessing.set_forkserver_preload(["tests.few_streets_cli"])
    return multiprocessing.get_context("forkserver")


@functools.cache
def _processes():
    store = dist.TCPStore(HOST, 0, is_master=True, wait_for_workers=False)
    ranks = [
        ProcessPoolExecutor(1, server(), initializer=_join, initargs=(rank, store.port))
        for rank in range(WORLD_SIZE)
    ]
    return ranks, store  # the store lives as long as it is held


def _join(rank, port):
    # otherwise gloo looks up the host's name, which a container may not be able to resolve
    os.environ["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    torch.set_num_threads(1)
    timeout = timedelta(seconds=TIMEOUT)
    store = dist.TCPStore(HOST, port, is_master=False, timeout=timeout)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=WORLD_SIZE, timeout=timeout)
