"""Losses on the small logits of a network: upsampled by torch first, or by the loss itself."""

import torch
import torch.nn.functional as F
from torch import Tensor

from experiments.bench.losses import class_counts
from experiments.bench.measure import Work, interleaved, peak
from experiments.bench.rivals import (
    BASE,
    LossFunction,
    cross_entropy,
    our_losses,
    published_recall,
)
from experiments.gpu.losses import Inputs
from experiments.gpu.section import Section

TITLE = "Losses on logits of a network's stride"
SECONDS = 50
BOTH_ALLOCATORS = True
CASES = [
    *(((2, 19, 512, 512), stride) for stride in (4, 8, 16)),
    ((2, 19, 769, 769), 8),
    ((1, 150, 512, 512), 8),
]
FUSED = ("ce", "recall", "focal", "pat", "wce")


def run(section: Section) -> None:
    """A row for each shape, stride and loss."""
    torch.manual_seed(0)
    for shape, stride in [((1, 3, 8, 8), 4)] if section.smoke else CASES:
        with section.attempt("upsampled", shape=str(shape), stride=stride):
            full = Inputs(shape, torch.float32, section.device)
            target, name = full.sets[0][1], full.name
            small = [-(-side // stride) for side in shape[2:]]
            logits = 2 * torch.randn(*shape[:2], *small, device=section.device)
            logits.requires_grad_()
            full.sets.clear()  # only their bytes are needed
            ours = our_losses(class_counts(shape[1]), FUSED)
            tried: dict[str, LossFunction] = {
                f"F.interpolate, {BASE}": upsampled(cross_entropy),
                "F.interpolate, published recall loss": upsampled(published_recall),
                "F.interpolate, recall": upsampled(ours["recall"].to(section.device)),
                **{f"{loss} of small logits": ours[loss].to(section.device) for loss in ours},
            }
            works = {name: step(loss, logits, target) for name, loss in tried.items()}
            times = interleaved(works, section.device, 0 if section.smoke else 8)
            for loss, time in times.items():
                section.row(
                    "upsampled",
                    **{"shape": name, "stride": stride, "loss": loss},
                    **{"ms": time.ms, "ratio": time.ratio},
                    **{"peak / full logits": peak(works[loss], section.device) / full.bytes},
                )
    section.note(
        f"`ratio` is to `F.interpolate` (bilinear) and `{BASE}`; `peak / full logits` is what is "
        "allocated at most over the bytes of logits in the labels' size."
    )


def upsampled(loss: LossFunction) -> LossFunction:
    """A loss of logits that torch has upsampled before."""
    return lambda z, y: loss(F.interpolate(z, y.shape[1:], mode="bilinear"), y)


def step(loss: LossFunction, logits: Tensor, target: Tensor) -> Work:
    """Forward and backward."""
    return lambda: torch.autograd.grad(loss(logits, target), logits)
