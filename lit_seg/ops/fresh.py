"""Fresh memory for results as large as the logits."""

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from mmap import PAGESIZE

import torch
from torch import Tensor

LARGE = 1 << 25
"""Bytes from which glibc maps new memory for each tensor, and the first touch of a page counts."""
HUGE_PAGES = 14
"""``MADV_HUGEPAGE`` of ``madvise(2)``."""


def fresh_like(tensor: Tensor) -> Tensor:
    """A tensor of any values, of the same shape, dtype and memory format.

    On Linux a large one on the CPU is of pages of 2 MiB, if the system gives them to who asks. The
    first touch of as many pages of 4 KiB would take as long as the rest of a loss and its gradient.
    """
    result = torch.empty_like(tensor)
    advise = _madvise() if result.nbytes >= LARGE and result.device.type == "cpu" else None
    if advise is not None:
        start = -(-result.data_ptr() // PAGESIZE) * PAGESIZE
        advise(start, result.data_ptr() + result.nbytes - start, HUGE_PAGES)  # it may say no
    return result


@cache
def _madvise() -> Callable[[int, int, int], int] | None:
    """The C library's ``madvise``, of address, bytes and advice; None where it has none."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        advise = ctypes.CDLL(None).madvise
    except (AttributeError, OSError):
        return None
    advise.argtypes = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    return advise
