"""Ends a rank whose others do not come to a meeting."""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from threading import Thread, current_thread, main_thread
from typing import Any

from pytorch_lightning.strategies import DDPStrategy

from lit_seg.distributed.barrier_private import guard_data_barriers
from lit_seg.errors import STOP_SIGNALS

_TORCH_FIRST = 3
"""Seconds more than the limit, or after a signal, in which torch may end the wait itself."""
_MET = b"\0"  # which is no signal


@contextmanager
def meets_within(limit: timedelta) -> Iterator[None]:
    """End this process if the ranks have not met when ``limit`` is over, or soon after a signal.

    torch alone does not end it then. gloo tries five times, each time for the whole limit, to reach
    a rank that died after it had published its address. It waits in C++, where Python hears no
    signal, so another thread ends the process. Nothing is lost: no training has begun.
    """
    told, teller = socket.socketpair()
    teller.setblocking(False)
    hears = current_thread() is main_thread()
    before = signal.set_wakeup_fd(teller.fileno()) if hears else -1
    Thread(target=_watch, args=(told, limit.total_seconds()), daemon=True).start()
    try:
        yield
    finally:
        if hears:
            signal.set_wakeup_fd(before)
        with teller:
            teller.send(_MET)


def _watch(told: socket.socket, seconds: float) -> None:
    """Read the signals that this process gets, until it has met the others or its time is over."""
    signum, until = 0, time.monotonic() + seconds + _TORCH_FIRST
    with told:
        while (left := until - time.monotonic()) > 0:
            told.settimeout(left)
            try:
                heard = told.recv(1)
            except TimeoutError:
                break
            if heard == _MET:
                return
            if heard[0] in STOP_SIGNALS and not signum:
                signum, until = heard[0], time.monotonic() + _TORCH_FIRST
    rank = f"rank {os.environ.get('RANK', '0')} of {os.environ.get('WORLD_SIZE', '?')}"
    if signum:
        name = signal.Signals(signum).name
        sys.stderr.write(f"stopped by {name}: {rank} was waiting for the others to start\n")
    else:
        sys.stderr.write(
            f"error: {rank} has not met the others within {seconds:g} s: one died while it "
            "started, or it is slow to start. Look at the message of the rank that ended first; a "
            "longer --rank_timeout gives training more time\n"
        )
    sys.stderr.flush()
    os._exit(128 + signum if signum else 2)


class PunctualDDP(DDPStrategy):
    """DDP whose ranks meet within its time limit, or end.

    Args:
        limit: the longest time that a rank waits for another one, here and in each exchange.
        options: those of ``DDPStrategy``.
    """

    def __init__(self, limit: timedelta, **options: Any) -> None:
        super().__init__(timeout=limit, **options)
        self.limit = limit

    def setup_distributed(self) -> None:
        with meets_within(self.limit):
            super().setup_distributed()
        guard_data_barriers(partial(meets_within, self.limit))
