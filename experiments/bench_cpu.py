"""Training steps per second on this machine: what layout and bfloat16 gain on a CPU.

`make bench` runs it. Variants take turns, so that a machine that slows down slows all of them;
each figure is the median over rounds, ratios are taken round by round.
"""

import platform
import statistics
import time

import torch
from rich.console import Console
from rich.table import Table

from lit_seg.losses import CrossEntropyLoss, RecallLoss
from lit_seg.tasks import LitSegmenter

BATCH, ROUNDS = 8, 5
MODELS = {
    "unet resnet18, halved decoder, 128x192": (
        {"architecture": "unet", "options": {"decoder_channels": [128, 64, 32, 32, 16]}},
        (128, 192),
    ),
    "unet resnet18, 256x320": ({"architecture": "unet"}, (256, 320)),
    "deeplabv3plus resnet18, 240x320": ({"architecture": "deeplabv3plus"}, (240, 320)),
}
VARIANTS = {
    "float32": (False, False, CrossEntropyLoss),
    "float32, channels_last": (False, True, CrossEntropyLoss),
    "bfloat16, channels_last": (True, True, CrossEntropyLoss),
    "the same with recall loss": (True, True, RecallLoss),
}


def step_seconds(model: LitSegmenter, batch: dict[str, torch.Tensor], bf16: bool) -> float:
    """Wall seconds of one forward, backward and optimizer step."""
    optimizer = torch.optim.AdamW(model.parameters())
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = model.loss(model(batch["image"]), batch["target"])
    loss.backward()
    optimizer.step()
    return time.perf_counter() - start


def main() -> None:
    """Measure all models and variants and print a table."""
    title = f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, "
    title += f"torch {torch.__version__}, batch {BATCH}, median of {ROUNDS} rounds"
    table = Table("network and size", "variant", "images / s", "ratio to float32", title=title)
    for name, (options, (height, width)) in MODELS.items():
        batch = {
            "image": torch.randint(0, 256, (BATCH, 3, height, width), dtype=torch.uint8),
            "target": torch.randint(0, 12, (BATCH, height, width)),
        }
        models = {
            variant: LitSegmenter([1] * 12, loss=loss, channels_last=layout, **options)
            for variant, (_, layout, loss) in VARIANTS.items()
        }
        rounds = [
            {v: step_seconds(models[v], batch, VARIANTS[v][0]) for v in VARIANTS}
            for _ in range(ROUNDS + 1)
        ][1:]  # the first allocates and compiles
        for variant in VARIANTS:
            seconds = statistics.median(r[variant] for r in rounds)
            ratio = statistics.median(r["float32"] / r[variant] for r in rounds)
            table.add_row(name, variant, f"{BATCH / seconds:.1f}", f"{ratio:.2f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
