"""What each loss costs: `python experiments/bench_losses.py`.

Forward and backward on logits of full size in float32, on one thread, all losses in turn within
each round, so that a machine that slows down slows all of them; medians as ratios to torch's own
cross-entropy. Defaults of each LOSS.
"""

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from lit_seg.losses import CrossEntropyLoss, LDAMLoss, SoftDiceLoss
from lit_seg.losses.catalogue import every_loss

SHAPE = (4, 12, 128, 192)
ROUNDS = 15
NEEDED = {
    "DeferredReweightingLoss": {"loss": LDAMLoss},
    "WeightedSumLoss": {"losses": [CrossEntropyLoss, SoftDiceLoss]},
}


def seconds(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, target: Tensor) -> float:
    """Processor time of a step."""
    leaf = logits.clone().requires_grad_()
    start = time.process_time()
    loss(leaf, target).backward()
    return time.process_time() - start


def main() -> None:
    """Print the table in Markdown."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(SHAPE, generator=generator)
    counts = [3**c for c in range(SHAPE[1])]
    # long-tailed like the counts, in patches like a scene
    share = torch.rand(SHAPE[0], 16, 16, generator=generator).repeat_interleave(8, 1)
    share = share.repeat_interleave(12, 2)
    target = (SHAPE[1] + torch.log(share + 1e-6) / 1.1).long().clamp(0, SHAPE[1] - 1)
    losses: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "F.cross_entropy": lambda z, y: F.cross_entropy(z, y, ignore_index=255)
    }
    for cls in every_loss():
        losses[cls.card.name] = cls(counts, **NEEDED.get(cls.__name__, {}))
    times: dict[str, list[float]] = {name: [] for name in losses}
    for _ in range(ROUNDS):
        for name, loss in losses.items():
            times[name].append(seconds(loss, logits, target))
    medians = {name: statistics.median(values) for name, values in times.items()}
    base = medians.pop("F.cross_entropy")
    pixels = logits[:, 0].numel()
    print(f"F.cross_entropy: {1e9 * base / pixels:.0f} ns per pixel of {SHAPE[1]} classes\n")
    print("| loss | time of F.cross_entropy |\n|---|---:|")
    for name, median in medians.items():
        print(f"| {name} | {median / base:.2f} |")


if __name__ == "__main__":
    main()
