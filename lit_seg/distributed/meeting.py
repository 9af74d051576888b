"""Ends a rank whose others do not come to the first meeting."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Timer
from typing import Any

from pytorch_lightning.strategies import DDPStrategy

_TORCH_FIRST = 3
"""Seconds more than the limit, in which torch may say itself what it waits for."""


@contextmanager
def meets_within(limit: timedelta) -> Iterator[None]:
    """End this process if the ranks have not met when ``limit`` is over.

    torch alone does not end it then. gloo tries five times, each time for the whole limit, to reach
    a rank that died after it had published its address. It waits in C++, where Python hears no
    signal, so another thread ends the process. Nothing is lost: no training has begun.
    """

    def give_up() -> None:
        sys.stderr.write(
            f"error: rank {os.environ.get('RANK', '0')} of {os.environ.get('WORLD_SIZE', '?')} has "
            f"not met the others within {limit.total_seconds():g} s: one died while it started, or "
            "it is slow to start. Look at the message of the rank that ended first; a longer "
            "--rank_timeout gives training more time\n"
        )
        sys.stderr.flush()
        os._exit(2)

    timer = Timer(limit.total_seconds() + _TORCH_FIRST, give_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


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
