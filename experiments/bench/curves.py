"""How the cost of losses grows with pixels, classes, images and ranks, beside the limit."""

import statistics
import time

import torch

from experiments.bench.losses import class_counts, step
from experiments.bench.measure import bandwidth, interleaved, peak
from experiments.bench.ranks import on_ranks
from experiments.bench.rivals import BASE, cross_entropy, our_losses
from experiments.bench.upsampled import step as small_step
from experiments.gpu.losses import Inputs
from experiments.gpu.section import Section

TITLE = "How the cost grows"
SECONDS = 75
LOSSES = ("ce", "recall", "focal", "pat", "ldam", "blv")
"""Those of Table 2 of PAT, and recall loss."""
SMALL = "recall of small logits"
SHAPES = {
    "pixels": [(1, 19, side, side) for side in (64, 128, 256, 512, 1024)],
    "classes": [(1, classes, 128, 128) for classes in (2, 5, 19, 50, 150, 400, 1000)],
    "images": [(images, 19, 128, 128) for images in (1, 2, 4, 8, 16)],
}
AXIS = {"pixels": lambda s: s[2] * s[3], "classes": lambda s: s[1], "images": lambda s: s[0]}
QUICK = {"pixels": [(1, 3, 8, 8), (1, 3, 16, 16)]}
RANKS = (1, 2)
RANK_ROUNDS = 20
PER_RANK = (2, 19, 256, 256)


def run(section: Section) -> None:
    """A row for each point of each curve."""
    torch.manual_seed(0)
    copied = bandwidth(section.device, section.smoke)
    for axis, shapes in (QUICK if section.smoke else SHAPES).items():
        for shape in shapes:
            with section.attempt(axis, shape=str(shape)):
                _point(section, axis, shape, copied)
    for ranks in () if section.smoke else RANKS:
        with section.attempt("ranks", ranks=ranks):
            # in eval mode a loss exchanges nothing, so torch's own stands for no exchange
            for loss, (cpu, wall) in on_ranks(ranks, on_one_rank, PER_RANK)[0].items():
                section.row("ranks", ranks=ranks, loss=loss, ms=cpu, **{"wall ms": wall})
    section.note(
        "`ms` of forward and backward in float32, and `memory` at most, gradient included, in MiB. "
        "`small` logits have stride 8. The limit is as above. Ranks have "
        f"{'x'.join(map(str, PER_RANK))} each and one thread; gloo, on this machine."
    )


def _point(section: Section, axis: str, shape: tuple[int, ...], copied: float) -> None:
    inputs = Inputs(shape, torch.float32, section.device)
    ours = our_losses(class_counts(shape[1]), LOSSES)
    works = {BASE: step(cross_entropy, inputs)}
    works |= {name: step(loss.to(section.device), inputs) for name, loss in ours.items()}
    sides = [-(-side // 8) for side in shape[2:]]
    small = torch.randn(*shape[:2], *sides, device=section.device, requires_grad=True)
    works[SMALL] = small_step(ours["recall"], small, inputs.sets[0][1])
    times = interleaved(works, section.device, 0 if section.smoke else 2.5)
    point = {axis: AXIS[axis](shape)}
    for loss, found in times.items():
        memory = peak(works[loss], section.device) / 2**20
        section.row(axis, **point, loss=loss, ms=found.ms, **{"memory, MiB": memory})
    section.row(axis, **point, loss="limit", ms=1e3 * inputs.least / copied)


def on_one_rank(shape: tuple[int, ...]) -> dict[str, tuple[float, float]]:
    """Processor and wall ms of steps on this rank, by loss."""
    inputs = Inputs(shape, torch.float32, torch.device("cpu"))
    tried = {BASE: cross_entropy, **our_losses(class_counts(shape[1]), ("ce", "recall", "pat"))}
    works = {name: step(loss, inputs) for name, loss in tried.items()}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
    for _ in range(RANK_ROUNDS):  # as many on every rank
        for name, work in works.items():
            begun = time.process_time(), time.perf_counter()
            work()
            ended = time.process_time(), time.perf_counter()
            found[name].append((ended[0] - begun[0], ended[1] - begun[1]))
    return {
        name: tuple(1e3 * statistics.median(column[1:]) for column in zip(*times, strict=True))
        for name, times in found.items()
    }
