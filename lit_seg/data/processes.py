"""How processes that read data are started, and how a start that failed is cleared up."""

import os
import sys
from collections.abc import Set
from multiprocessing import active_children, get_context
from multiprocessing.context import DefaultContext, ForkContext
from multiprocessing.process import BaseProcess


def forking_context() -> DefaultContext | ForkContext:
    """Fork on Linux: a spawned process would import everything again, a forked one shares it."""
    return get_context("fork") if sys.platform == "linux" else get_context()


def end_other_children(known: Set[BaseProcess]) -> None:
    """End the children of this process that are not ``known``; nobody else would tell them to."""
    for process in set(active_children()) - known:
        process.kill()
        process.join()


def processors() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
