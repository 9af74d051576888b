"""Training steps: losses against cross-entropy, fused upsampling against none, bfloat16."""

from typing import Any

import torch
from torch import Tensor

from experiments.bench.machine import bf16_flags
from experiments.bench.measure import Work, interleaved, peak
from experiments.bench.rivals import our_losses
from experiments.gpu.section import Section
from lit_seg.tasks import LitSegmenter

TITLE = "Training steps"
SECONDS = 130
BATCH, CLASSES = 4, 19
NETWORKS = {
    "DeepLabV3+ R18, 240x320": ({"architecture": "deeplabv3plus"}, (240, 320)),
    "U-Net R18, 256x320": ({"architecture": "unet"}, (256, 320)),
}
LOSSES = ("ce", "recall", "focal", "pat")
"""The first two are also measured without fused upsampling."""


def run(section: Section) -> None:
    """A row for each network, precision and loss."""
    torch.manual_seed(0)
    bf16 = section.device.type == "cuda" or bool(bf16_flags())
    networks = list(NETWORKS.items())[: 1 if section.smoke else None]
    for network, (options, size) in networks:
        for dtype in (None, torch.bfloat16)[: 1 if section.smoke or not bf16 else 2]:
            with section.attempt("steps", network=network, precision=_name(dtype)):
                _network(section, network, options, (32, 32) if section.smoke else size, dtype)
    section.note(
        f"Forward, backward and AdamW on random images, {CLASSES} classes, batch {BATCH}, "
        "channels_last, without Lightning and loading. `ratio` is to cross-entropy, upsampled by "
        "the network, in the same precision. Memory is what a step allocates beyond weights and "
        "optimizer state."
    )


def _network(
    section: Section,
    network: str,
    options: dict[str, Any],
    size: tuple[int, int],
    dtype: torch.dtype | None,
) -> None:
    batch = 2 if section.smoke else BATCH
    on = {"device": section.device}
    samples = {
        "image": torch.randint(0, 256, (batch, 3, *size), dtype=torch.uint8, **on),
        "target": torch.randint(0, CLASSES, (batch, *size), **on),
    }
    works = {}
    for fused in (False, True):
        for loss in LOSSES[: 2 if section.smoke or not fused else None]:
            make = type(our_losses([1] * CLASSES, (loss,))[loss])
            fusing = {"fused_upsampling": fused, **options}
            model = LitSegmenter([10**6] * CLASSES, loss=make, **fusing)
            works[loss, fused] = step(model.to(section.device), samples, dtype)
    times = interleaved(works, section.device, 0 if section.smoke else 25)
    for (loss, fused), time in times.items():
        section.row(
            "steps",
            **{"network": network, "precision": _name(dtype), "loss": loss},
            **{"fused upsampling": fused, "ms": time.ms, "images/s": 1e3 * batch / time.ms},
            **{"ratio": time.ratio},
            **{"memory, MiB": peak(works[loss, fused], section.device) / 2**20},
        )


def step(model: LitSegmenter, batch: dict[str, Tensor], dtype: torch.dtype | None = None) -> Work:
    """One forward, backward and optimizer step; gradients are dropped at its end."""
    optimizer = torch.optim.AdamW(model.parameters())

    def work() -> None:
        kind = batch["image"].device.type
        with torch.autocast(kind, dtype, enabled=dtype is not None):
            loss = training_loss(model, batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return work


def training_loss(model: LitSegmenter, batch: dict[str, Tensor]) -> Tensor:
    """The loss as the task computes it in training: of small logits where upsampling is fused."""
    loss = model.loss
    logits = model.logits(batch["image"])
    return loss(*logits.for_loss(batch["target"], loss.void, loss.align_corners))


def _name(dtype: torch.dtype | None) -> str:
    return "float32" if dtype is None else str(dtype)[6:]
