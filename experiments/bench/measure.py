"""Time and memory of works that take turns: on a CPU processor time, on a GPU the device's."""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile

from experiments.gpu.losses import device_times
from experiments.gpu.timing import peak_memory

Work = Callable[[], object]
BESIDE = 4
"""Works that follow a call of the first one."""


class Timing(NamedTuple):
    """What :func:`interleaved` finds of a work.

    Attributes:
        ms: median time of a call.
        ratio: median over the rounds of its time over that of the first work shortly before.
    """

    ms: float
    ratio: float


def interleaved(
    works: Mapping[str, Work],
    device: torch.device,
    seconds: float,
    most: int = 15,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, Timing]:
    """Time works round by round, so that a slow moment slows all of them.

    The first is timed anew before each few others, whose order changes from round to round.

    Args:
        works: by name; ratios are to the first.
        device: on a GPU calls are queued ahead and timed between events.
        seconds: about so long it may take. A work that takes more than its part of it is timed in
            the first rounds only, at least three; if it is 0 there is one round.
        most: rounds at most.
        clock: of the CPU: ``time.process_time``, which other processes do not lengthen, or
            ``time.perf_counter``.
    """
    if device.type == "cuda":
        times = device_times(list(works.values()), device, most if seconds else 1)
        return {
            name: Timing(ms, ms / times[0]) for name, ms in zip(works, times, strict=True)
        }  # fmt: skip
    for work in works.values():  # warms up: what is compiled, and memory that nobody had before
        work()
    wall = {name: _seconds(work, time.perf_counter) for name, work in works.items()}
    rounds = {name: int(seconds / len(works) / wall[name]) for name in works}
    rounds = {name: min(max(n, 3), most) if seconds else 1 for name, n in rounds.items()}
    first, *others = works
    found: dict[str, list[float]] = {name: [] for name in works}
    ratios: dict[str, list[float]] = {first: [1.0], **{name: [] for name in others}}
    for turn in range(max(rounds.values())):
        due = [name for name in others if turn < rounds[name]]
        # what comes right after the first takes more time where that has given back its memory
        due = due[turn % max(1, len(due)) :] + due[: turn % max(1, len(due))]
        for part in (due[i : i + BESIDE] for i in range(0, max(len(due), 1), BESIDE)):
            found[first].append(base := _seconds(works[first], clock))
            for name in part:
                found[name].append(_seconds(works[name], clock))
                ratios[name].append(found[name][-1] / base)
    return {
        name: Timing(1e3 * statistics.median(found[name]), statistics.median(ratios[name]))
        for name in works
    }


def _seconds(work: Work, clock: Callable[[], float]) -> float:
    start = clock()
    work()
    return clock() - start


def peak(work: Work, device: torch.device) -> float:
    """Most bytes that a call allocates beyond what is there before it.

    What the call frees of an earlier one would count against it.
    """
    if device.type == "cuda":
        return peak_memory(work, device)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    with TemporaryDirectory() as folder:
        trace = Path(folder, "trace.json")
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    found = sorted((e["ts"], e["args"]["Bytes"]) for e in events if e["name"] == "[memory]")
    return max(accumulate((size for _, size in found), initial=0))


def bandwidth(device: torch.device, quick: bool) -> float:
    """Bytes per second that a copy reads and writes, of more numbers than a cache holds."""
    elements = 2**20 if quick else 2**29 if device.type == "cuda" else 2**26
    source = torch.randn(elements, device=device)
    target = torch.empty_like(source)
    ms = interleaved({"copy": lambda: target.copy_(source)}, device, 0 if quick else 2)["copy"].ms
    return 8 * elements / (ms / 1e3)
