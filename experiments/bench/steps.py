"""Training steps: losses against F.cross_entropy, fused upsampling against none, bfloat16."""

from typing import Any

import torch

from experiments.bench.machine import bf16_flags
from experiments.bench.measure import peak
from experiments.bench.rivals import BASE, cross_entropy, our_losses
from experiments.bench.training_step import Step, ours, timed, upsampled
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
        f"channels_last, without Lightning and loading. `ratio` is to the step with `{BASE}` of "
        "logits that `F.interpolate` upsampled as the network does, in the same precision. The "
        "steps of a network are all of one, and differ only from its last convolution to the "
        "gradient of that. On a CPU this part is timed by itself, as `loss, ms`, and the rest, "
        "which scatters by more than the losses differ, is the median of the rest of all steps. "
        "Memory is what a step allocates beyond weights and optimizer state."
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
    model = LitSegmenter([10**6] * CLASSES, **options).to(section.device)
    upsamples = bool(model.logits(samples["image"]).resizings)
    losses = our_losses([10**6] * CLASSES, LOSSES[: 2 if section.smoke else None])
    tried = {(BASE, False): upsampled(cross_entropy)}
    for fused in (False, True)[: 1 + upsamples]:
        for name in list(losses)[: None if fused or not upsamples else 2]:
            tried[name, fused] = ours(losses[name].to(section.device), model, fused)
    optimizer = torch.optim.AdamW(model.parameters())
    steps = {key: Step(model, optimizer, loss, samples, dtype) for key, loss in tried.items()}
    times, _ = timed(steps, section.device, 0 if section.smoke else 25)
    for (loss, fused), found in times.items():
        section.row(
            "steps",
            **{"network": network, "precision": _name(dtype), "loss": loss},
            **{"fused upsampling": fused, "ms": found.ms, "images/s": 1e3 * batch / found.ms},
            **{"loss, ms": found.loss_ms, "ratio": found.ratio},
            **{"memory, MiB": peak(steps[loss, fused], section.device) / 2**20},
        )


def _name(dtype: torch.dtype | None) -> str:
    return "float32" if dtype is None else str(dtype)[6:]
