"""Time and memory of work on a device."""

import statistics
import time
from collections.abc import Callable, Sequence

import torch


def milliseconds(
    work: Callable[[], object], device: torch.device, repeats: int = 10, warm_up: int = 3
) -> float:
    """Median time of a call in ms: between events on a GPU, by the clock on a CPU."""
    return interleaved([work], device, repeats, warm_up)[0]


def interleaved(
    works: Sequence[Callable[[], object]],
    device: torch.device,
    repeats: int = 10,
    warm_up: int = 3,
) -> list[float]:
    """Median time in ms of each call; they take turns, so a slow moment slows all of them."""
    for _ in range(warm_up):
        for work in works:
            work()
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        for work, found in zip(works, times, strict=True):
            found.append(_once(work, device))
    return [statistics.median(found) for found in times]


def _once(work: Callable[[], object], device: torch.device) -> float:
    if device.type != "cuda":
        start = time.perf_counter()
        work()
        return 1e3 * (time.perf_counter() - start)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    work()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end)


def copy_bandwidth(device: torch.device, smoke: bool) -> float:
    """Bytes per second that a copy reads and writes, of more numbers than a cache holds."""
    elements = 2**20 if smoke else 2**29
    source = torch.randn(elements, device=device)
    target = torch.empty_like(source)
    return 8 * elements / (milliseconds(lambda: target.copy_(source), device) / 1e3)


def peak_memory(work: Callable[[], object], device: torch.device) -> float:
    """Most bytes that a call allocates beyond what is there before it; NaN on a CPU."""
    if device.type != "cuda":
        return float("nan")
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    work()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before
