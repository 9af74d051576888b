"""Losses on logits of full size, of ours and of others: time, memory and the limit."""

import torch

from experiments.bench.measure import Work, bandwidth, interleaved, peak
from experiments.bench.rivals import BASE, LossFunction, cross_entropy, others, our_losses
from experiments.gpu.losses import Inputs
from experiments.gpu.section import Section
from lit_seg.errors import RunError
from lit_seg.losses import SegLoss
from lit_seg.ops import class_nll
from lit_seg.ops.compiled import LEAST_PIXELS

TITLE = "Losses at full resolution"
SECONDS = 60
BOTH_ALLOCATORS = True
SHAPES = [(2, 19, 512, 512), (2, 19, 769, 769), (1, 150, 512, 512)]
MAIN = ("ce", "recall", "focal", "pat", "wce", "balanced_softmax", "ldam")
"""What is measured at every shape; the first has all losses."""
COMPILED = MAIN[:4]
"""What is measured with `--model.loss_backend compiled` too."""


def step(loss: LossFunction, inputs: Inputs) -> Work:
    """Forward and backward; the gradient is dropped at once, so that its memory counts as new."""
    turn = 0

    def work() -> None:
        nonlocal turn
        logits, target = inputs.sets[turn % len(inputs.sets)]
        turn += 1
        torch.autograd.grad(loss(logits, target), logits)

    return work


def class_counts(classes: int) -> list[int]:
    """Of a long-tailed training set."""
    return [10**8 // (c + 1) ** 2 for c in range(classes)]


def compiled_losses(counts: list[int]) -> dict[str, SegLoss]:
    """Losses whose pass over the logits `torch.compile` writes."""
    losses = our_losses(counts, COMPILED)
    for loss in losses.values():
        loss.backend = "compiled"
    return {f"{name}, compiled": loss for name, loss in losses.items()}


def can_compile(section: Section) -> bool:
    """Compile once; a note says why where that does not work."""
    try:
        target = torch.zeros(1, LEAST_PIXELS, dtype=torch.long)  # of fewer nothing is compiled
        class_nll(torch.zeros(1, 2, LEAST_PIXELS), target, backend="compiled")
    except RunError as error:
        section.note(f"Nothing was compiled: {error}.")
        return False
    return True


def run(section: Section) -> None:
    """A row for each shape and loss."""
    torch.manual_seed(0)
    copied = bandwidth(section.device, section.smoke)
    section.row("bandwidth of a copy", **{"GB/s read and written": copied / 1e9})
    compiles = section.device.type == "cpu" and not section.smoke and can_compile(section)
    for number, shape in enumerate([(1, 3, 8, 8)] if section.smoke else SHAPES):
        with section.attempt("losses", shape=str(shape)):
            inputs = Inputs(shape, torch.float32, section.device)
            ours = our_losses(class_counts(shape[1]), MAIN if number else ())
            if compiles:
                ours |= compiled_losses(class_counts(shape[1]))
            tried = {BASE: cross_entropy, **ours, **others()}
            if number:  # they take seconds a call
                tried = {name: loss for name, loss in tried.items() if "smp" not in name}
            works = {
                name: step(loss.to(section.device) if name in ours else loss, inputs)
                for name, loss in tried.items()
            }
            limit = 1e3 * inputs.least / copied
            times = interleaved(works, section.device, 0 if section.smoke else 25)
            for name, time in times.items():
                section.row(
                    "losses",
                    shape=inputs.name,
                    loss=name,
                    **{"ms": time.ms, "ratio": time.ratio, "limit / time": limit / time.ms},
                    **{"peak / logits": peak(works[name], section.device) / inputs.bytes},
                )
    section.note(
        "Forward and backward in float32. `ratio` is to `F.cross_entropy` in the same rounds. The "
        "limit is the time to read the logits twice, write the gradient and read and write what a "
        "pixel needs, at the bandwidth of the copy. `peak / logits` is what is allocated at most, "
        "gradient included, over the bytes of the logits. torchvision's criterion is "
        "`F.cross_entropy` itself here, so its ratio tells how far equal work scatters. `compiled` "
        "is `--model.loss_backend compiled`, without its compilation of half a minute. By default "
        "half of the time of most losses is the first touch of fresh memory; of ours the gradient, "
        "from 32 MiB on, lies in pages of 2 MiB where Linux gives them to who asks "
        "(`/sys/kernel/mm/transparent_hugepage/enabled`)."
    )
