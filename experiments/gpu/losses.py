"""What losses cost on logits of full size: time, memory, and the share of what memory allows."""

import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import nan
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from experiments.bench.rivals import NEEDED
from experiments.gpu.section import Section
from experiments.gpu.timing import copy_bandwidth, milliseconds, peak_memory
from lit_seg.losses import FocalLoss, PATLoss, RecallLoss, SegLoss
from lit_seg.losses.catalogue import every_loss
from lit_seg.metrics.labels import void_of
from lit_seg.ops import class_nll
from lit_seg.ops.class_nll import Backend

TITLE = "Losses"
SECONDS = 70
SHAPES = [(2, 19, 512, 512), (2, 19, 769, 769), (8, 19, 769, 769), (1, 150, 512, 512)]
SMOKE_SHAPES = [(2, 5, 16, 16), (1, 7, 9, 9)]
VOID = 255
L2_BYTES = 50e6
"""Inputs take turns until they are three times the cache of an H100."""

LossFunction = Callable[[Tensor, Tensor], Tensor]
Case = tuple[tuple[int, ...], torch.dtype, bool]
"""Shape, dtype, and whether channels are last in memory."""
Bases = dict[tuple[str, str, LossFunction], float]
"""Time of torch's own cross-entropy by shape and dtype."""


class Variant(NamedTuple):
    """A loss to measure, and another one that gives its value in float64."""

    name: str
    loss: LossFunction
    exact: LossFunction


class Inputs:
    """Logits and label maps of one shape, several sets that take turns."""

    def __init__(
        self, shape: Sequence[int], dtype: torch.dtype, device: torch.device, last: bool = False
    ) -> None:
        images, classes, height, width = shape
        size = images * classes * height * width * dtype.itemsize
        sets = 1 if device.type == "cpu" else max(2, min(8, int(3 * L2_BYTES / size) + 1))
        self.name = "x".join(map(str, shape)) + (", channels last" if last else "")
        self.dtype = str(dtype)[6:]
        self.bytes = size
        # logits are read twice and the gradient is written; labels are read twice, the
        # log-sum-exp is written and read
        self.least = 3 * size + images * height * width * 24
        layout = torch.channels_last if last else torch.contiguous_format
        self.sets = []
        for _ in range(sets):
            logits = 2 * torch.randn(*shape, device=device)
            # patches like those of a scene, long-tailed, one in twenty void
            patches = (max(4, side // 32) for side in (height, width))
            share = torch.rand(images, 1, *patches, device=device) + 1e-6
            labels = (classes * (1.0037 + share.log() / 13.8)).clamp(min=0)
            labels = F.interpolate(labels, (height, width)).long()
            more = logits.new_full((), 2.0).expand(labels.shape)
            logits.scatter_add_(1, labels.clamp(max=classes - 1), more)
            labels = labels[:, 0]
            logits = logits.to(dtype, memory_format=layout).requires_grad_()
            self.sets.append((logits, labels.masked_fill(labels >= classes, void_of(classes))))

    def step(self, loss: LossFunction) -> Callable[[], None]:
        """Forward and backward of a loss, at each call with the next set."""
        turn = 0

        def work() -> None:
            nonlocal turn
            logits, target = self.sets[turn % len(self.sets)]
            turn += 1
            logits.grad = None
            loss(logits, target).backward()

        return work

    def errors(self, variant: Variant, where: torch.device) -> tuple[float, float]:
        """Relative errors of the value and, by its largest element, of the gradient."""
        logits, target = self.sets[0]
        logits.grad = None
        value = variant.loss(logits, target)
        value.backward()
        exact = logits.detach().to(where, torch.double).requires_grad_()
        loss = variant.exact.to(where) if isinstance(variant.exact, SegLoss) else variant.exact
        wanted = loss(exact, target.to(where))
        wanted.backward()
        off = (logits.grad.to(where).double() - exact.grad).abs().max() / exact.grad.abs().max()
        logits.grad = None
        return abs(value.item() / wanted.item() - 1) if wanted else nan, off.item()


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Torch's own."""
    return F.cross_entropy(logits, target, ignore_index=VOID)


def as_under_autocast(logits: Tensor, target: Tensor) -> Tensor:
    """Torch's own in float32, as autocast computes it."""
    return F.cross_entropy(logits.float(), target, ignore_index=VOID)


def ours(backend: Backend, kind: str) -> LossFunction:
    """A loss by our primitive: plain cross-entropy, recall loss of the batch, or focal loss."""

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        sums, counts, nll = class_nll(logits, target, pixels=kind == "focal", backend=backend)
        if nll is not None:
            total = (torch.expm1(-nll) ** 2 * nll).sum()
        elif kind == "recall":
            total = torch.dot(1 - counts[0] / counts[1].clamp(min=1).double(), sums)
        else:
            total = sums.sum()
        return total / counts[1].sum()

    return loss


def variants(classes: int, section: Section) -> list[Variant]:
    """All that is compared, without what has to be compiled by inductor."""
    counts = [10**6 // (c + 1) for c in range(classes)]
    shipped = [
        (cls(counts).to(section.device), cls(counts)) for cls in (RecallLoss, FocalLoss, PATLoss)
    ]
    recall, focal, _ = (exact for _, exact in shipped)
    backends: tuple[Backend, ...] = (
        ("chunked",) if section.device.type == "cpu" else ("triton", "chunked")
    )
    return [
        Variant("F.cross_entropy", cross_entropy, cross_entropy),
        Variant("F.cross_entropy in float32", as_under_autocast, cross_entropy),
        *(
            Variant(f"class_nll, {backend}: {kind}", ours(backend, kind), exact)
            for backend in backends
            for kind, exact in (("recall", recall), ("plain", cross_entropy), ("focal", focal))
        ),
        *(Variant(type(loss).__name__, loss, exact) for loss, exact in shipped),
    ]


def run(section: Section) -> None:
    """Measure losses, first those that matter most."""
    torch.manual_seed(0)
    shapes = SMOKE_SHAPES if section.smoke else SHAPES
    bandwidth = copy_bandwidth(section.device, section.smoke)
    section.row("limit", quantity="copy, GB/s read and written", value=bandwidth / 1e9)
    bases: Bases = {}
    cases = [(shape, dtype, False) for shape in shapes for dtype in (torch.float32, torch.bfloat16)]
    last = [(shape, torch.bfloat16, True) for shape in shapes[1::2]]
    cuda = section.device.type == "cuda"
    _losses(section, cases, bandwidth, bases)
    _upsampled(section)
    if cuda:
        for shape, dtype in ((shapes[0], torch.float32), (shapes[2], torch.bfloat16)):
            with section.attempt("kernels", shape=str(shape)):
                _kernels(section, Inputs(shape, dtype, section.device))
        _inductor(section, cases[:2], bandwidth, bases)
    _losses(section, last, bandwidth, bases)
    _every_loss(section, shapes[0], bandwidth, bases)
    if cuda:
        _sizes(section, [(shapes[2], torch.bfloat16), (shapes[1], torch.float32)])
        _inductor(section, cases[2:] + last, bandwidth, bases)
    section.note(
        "Forward and backward. `ms` is the time on the device while calls are queued ahead, "
        "`host ms` the time until a call returns; `waits` counts how often it waits for the device."
        " `ratio` is to F.cross_entropy in the same dtype, `to float32` to the same in float32, as "
        "autocast computes it. `memory` is what is allocated at most beyond the logits, over their "
        "bytes; where logits are upsampled, over those of full size in float32. `of limit` is the "
        "time to read the logits twice, write the gradient, and read and write what a pixel needs, "
        "at copy bandwidth, over the time taken; what stays in the cache "
        "between forward and backward can take it beyond 1. Errors are against float64."
    )


def _losses(section: Section, cases: list[Case], bandwidth: float, bases: Bases) -> None:
    for shape, dtype, last in cases:
        with section.attempt("losses", shape=str(shape), dtype=str(dtype)):
            inputs = Inputs(shape, dtype, section.device, last)
            _compare(section, "losses", inputs, variants(shape[1], section), bandwidth, bases)


def _compare(
    section: Section,
    table: str,
    inputs: Inputs,
    tried: list[Variant],
    bandwidth: float,
    bases: Bases,
) -> None:
    """A row for each variant, with ratios to the times of torch's own, which are kept."""
    named: dict[str, Any] = {"shape": inputs.name, "dtype": inputs.dtype}
    right: dict[str, tuple[float, float]] = {}
    for variant in tried:
        # the first logits on the CPU, so that the GPU is not compared with itself only
        first = not bases and "triton" in variant.name
        where = torch.device("cpu") if first else section.device
        with section.attempt(table, **named, loss=variant.name):
            right[variant.name] = inputs.errors(variant, where)
    tried = [variant for variant in tried if variant.name in right]
    works = [inputs.step(variant.loss) for variant in tried]
    repeats = 1 if section.smoke else 15
    times = device_times(works, section.device, repeats)
    for variant, ms in zip(tried, times, strict=True):
        if variant.loss in (cross_entropy, as_under_autocast):
            bases[inputs.name, inputs.dtype, variant.loss] = ms
    key = inputs.name, inputs.dtype
    base, wide = (bases.get((*key, loss), nan) for loss in (cross_entropy, as_under_autocast))
    for variant, work, ms in zip(tried, works, times, strict=True):
        value, gradient = right[variant.name]
        section.row(
            table,
            **named,
            loss=variant.name,
            **{"ms": ms, "ratio": ms / base, "to float32": ms / wide},
            **{"of limit": 1e3 * inputs.least / bandwidth / ms},
            memory=peak_memory(work, section.device) / inputs.bytes,
            **{"host ms": host_time(work, section.device, repeats)},
            waits=waits(work, section.device),
            **{"value error": value, "gradient error": gradient},
        )


def device_times(
    works: Sequence[Callable[[], object]], device: torch.device, repeats: int
) -> list[float]:
    """Median ms of each call on a device that is kept busy, so that launches cost nothing."""
    if device.type != "cuda":
        return [milliseconds(work, device, repeats, warm_up=0) for work in works]
    for work in works:
        work()
    hosts = [host_time(work, device, 3) for work in works]
    times: list[list[float]] = [[] for _ in works]
    for _ in range(repeats):
        events = []
        for work, ms in zip(works, hosts, strict=True):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            # about 2 million cycles per ms, in which the host goes ahead
            torch.cuda._sleep(int(2e6 * (1 + 1.5 * ms)))
            begin.record()
            work()
            end.record()
            events.append((begin, end))
        torch.cuda.synchronize()
        for found, (begin, end) in zip(times, events, strict=True):
            found.append(begin.elapsed_time(end))
    return [statistics.median(found) for found in times]


def host_time(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median ms until a call returns."""
    times = []
    for _ in range(repeats):
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def waits(work: Callable[[], object], device: torch.device) -> float:
    """How often a call waits for the device; NaN on a CPU."""
    if device.type != "cuda":
        return nan
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(each.message) for each in found)


def _upsampled(section: Section) -> None:
    """Logits of a network's output stride: upsampled by torch or where the kernels read them."""
    cases = [
        ((2, 19, 512, 512), 8, torch.float32),
        ((2, 19, 512, 512), 8, torch.bfloat16),
        ((2, 19, 512, 512), 4, torch.float32),
        ((2, 19, 512, 512), 16, torch.float32),
        ((8, 19, 769, 769), 8, torch.bfloat16),
        ((1, 150, 512, 512), 8, torch.bfloat16),
    ]
    for shape, stride, dtype in [((2, 5, 16, 16), 4, torch.float32)] if section.smoke else cases:
        full = Inputs(shape, torch.float32, section.device)
        images, classes, *sides = shape
        small = [max(2, round(side / stride)) for side in sides]
        logits = 2 * torch.randn(images, classes, *small, device=section.device)
        logits = logits.to(dtype).requires_grad_()
        named = {"shape": full.name, "stride": stride, "dtype": str(dtype)[6:]}
        with section.attempt("upsampled", **named):
            _upsampled_rows(section, named, full.bytes, logits, full.sets[0][1])


def _upsampled_rows(
    section: Section, named: dict[str, Any], full: int, logits: Tensor, target: Tensor
) -> None:
    def before(loss: LossFunction) -> LossFunction:
        def upsampled(small: Tensor, labels: Tensor) -> Tensor:
            return loss(F.interpolate(small, labels.shape[1:], mode="bilinear"), labels)

        return upsampled

    tried = {
        "F.interpolate, F.cross_entropy in float32": before(as_under_autocast),
        "F.interpolate, RecallLoss": before(RecallLoss([1] * logits.shape[1]).to(section.device)),
        "F.interpolate, class_nll: recall": before(ours("auto", "recall")),
        "class_nll: recall": ours("auto", "recall"),
        "class_nll: plain": ours("auto", "plain"),
    }
    exact = {"plain": cross_entropy, "recall": RecallLoss([1] * logits.shape[1]).to(section.device)}
    right = {}
    for name, loss in exact.items():
        wide = logits.detach().double().requires_grad_()
        before(loss)(wide, target).backward()
        logits.grad = None
        ours("auto", name)(logits, target).backward()
        assert logits.grad is not None
        assert wide.grad is not None
        off = (logits.grad.double() - wide.grad).abs().max() / wide.grad.abs().max()
        right[f"class_nll: {name}"] = off.item()

    def step(loss: LossFunction) -> Callable[[], None]:
        def work() -> None:
            logits.grad = None
            loss(logits, target).backward()

        return work

    works = [step(loss) for loss in tried.values()]
    times = device_times(works, section.device, 1 if section.smoke else 15)
    for name, work, ms in zip(tried, works, times, strict=True):
        section.row(
            "upsampled",
            **{**named, "loss": name, "ms": ms, "ratio": ms / times[0]},
            memory=peak_memory(work, section.device) / full,
            **{"gradient error": right.get(name, nan)},
        )


def _kernels(section: Section, inputs: Inputs) -> None:
    """Where the time goes within a step with our kernels."""
    work = inputs.step(ours("triton", "recall"))
    work()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        for _ in range(8):
            work()
        torch.cuda.synchronize()
    for event in sorted(profile.key_averages(), key=lambda each: -each.device_time_total)[:12]:
        section.row(
            "kernels",
            **{"shape": inputs.name, "dtype": inputs.dtype, "kernel": event.key[:60]},
            **{"calls": event.count / 8, "us of a step": event.device_time_total / 8},
        )


def _every_loss(
    section: Section,
    shape: tuple[int, ...],
    bandwidth: float,
    bases: Bases,
) -> None:
    inputs = Inputs(shape, torch.float32, section.device)
    counts = [10**6 // (c + 1) for c in range(shape[1])]
    for cls in every_loss():
        if section.seconds_left() < 3:
            section.note(f"No time was left for {cls.__name__} and those after it.")
            return
        with section.attempt("every loss", loss=cls.__name__):
            options = NEEDED.get(cls.__name__, {})
            loss = cls(counts, **options).to(section.device)
            tried = [Variant(cls.__name__, loss, cls(counts, **options))]
            _compare(section, "every loss", inputs, tried, bandwidth, bases)


def _inductor(
    section: Section,
    cases: list[Case],
    bandwidth: float,
    bases: Bases,
) -> None:
    for shape, dtype, last in cases:
        if section.seconds_left() < 12:
            section.note(f"No time was left for inductor from {shape} in {dtype} on.")
            return
        torch._dynamo.reset()
        compiled = torch.compile(cross_entropy, dynamic=False)
        tried = [Variant("F.cross_entropy, inductor", compiled, cross_entropy)]
        with section.attempt("losses", shape=str(shape), dtype=str(dtype), loss=tried[0].name):
            inputs = Inputs(shape, dtype, section.device, last)
            _compare(section, "losses", inputs, tried, bandwidth, bases)


def _sizes(section: Section, cases: list[tuple[tuple[int, ...], torch.dtype]]) -> None:
    """The kernel of backward with other numbers of pixels, warps and classes at a time."""
    from lit_seg.ops import kernels

    @contextmanager
    def changed(**values: int) -> Iterator[None]:
        tables = {"pixels": kernels.PIXELS, "warps": kernels.WARPS, "unroll": kernels.UNROLL}
        kept = {name: tables[name]["backward"] for name in values}
        for name, value in values.items():
            tables[name]["backward"] = value
        try:
            yield
        finally:
            for name, value in kept.items():
                tables[name]["backward"] = value

    sizes = [(128, 1, 4), (256, 2, 4), (128, 4, 4), (256, 4, 4), (512, 4, 4), (1024, 8, 4)]
    sizes += [(256, 2, 8), (64, 2, 4)]
    for pixels, warps, unroll in sizes:
        for shape, dtype in cases:
            named = {"pixels": pixels, "warps": warps, "unroll": unroll}
            if section.seconds_left() < 5:
                section.note("No time was left for all sizes of the kernels.")
                return
            with section.attempt("sizes of backward", **named), changed(**named):
                inputs = Inputs(shape, dtype, section.device)
                ms = device_times([inputs.step(ours("triton", "plain"))], section.device, 15)[0]
                name = {"shape": inputs.name, "dtype": inputs.dtype}
                section.row("sizes of backward", **name, **named, ms=ms)
