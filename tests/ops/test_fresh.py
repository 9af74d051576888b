"""Memory for gradients."""

import re
import sys
from pathlib import Path

import pytest
import torch

from lit_seg.ops import fresh
from lit_seg.ops.fresh import LARGE, fresh_like


def flags_of(address: int) -> list[str]:
    """What the kernel says of the memory at an address."""
    inside = False
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        if bounds := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            first, end = (int(each, 16) for each in bounds.groups())
            inside = first <= address < end
        elif inside and line.startswith("VmFlags:"):
            return line.split()[1:]
    raise LookupError(hex(address))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of Linux")
@pytest.mark.parametrize("elements", [0, 1000, LARGE // 4, LARGE])
def test_large_tensors_are_of_huge_pages(elements, monkeypatch):
    advised = []
    madvise = fresh._madvise()

    def seen(*args):
        advised.append(args)
        return madvise(*args)

    monkeypatch.setattr(fresh, "_madvise", lambda: seen)
    like = torch.empty(elements, dtype=torch.half)
    result = fresh_like(like)
    assert (result.shape, result.dtype) == (like.shape, like.dtype)
    large = result.nbytes >= LARGE
    # not by the flags of a small one: it may lie where a large one was freed
    assert len(advised) == large
    if large and Path("/sys/kernel/mm/transparent_hugepage").exists():
        assert "hg" in flags_of(result.data_ptr() + result.nbytes // 2)
    result.fill_(3)
    assert (result == 3).all()


def test_the_memory_format_stays():
    like = torch.empty(2, 3, 4, 5, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    assert fresh_like(like).stride() == like.stride()
    assert fresh_like(like.to("meta")).is_meta
