"""Run a function on two processes that train together, for tests of what ranks exchange.

- Two, because that is the fewest that can disagree, over gloo, which needs no GPU.
- Spawned, not forked: a fork copies the threads' locks without the threads and may hang.
- Kept for the whole session, because a process takes seconds to import torch.
- One executor per rank: a pool would be free to give both calls to the same process.
- This process holds the store on a port that the system chooses. Looking for a free port and
  binding it later would leave time for another process to take it.
- A rank that waits for one that failed gives up after ``TIMEOUT``, so that nothing hangs.
"""

import functools
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

import torch
import torch.distributed as dist

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


@functools.cache
def _processes():
    store = dist.TCPStore(HOST, 0, is_master=True, wait_for_workers=False)
    spawn = multiprocessing.get_context("spawn")
    ranks = [
        ProcessPoolExecutor(1, spawn, initializer=_join, initargs=(rank, store.port))
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
