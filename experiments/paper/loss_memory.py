"""What losses need beside the logits: `python experiments/paper/loss_memory.py`.

The space column of Table 2 of PAT: the peak of forward and backward on the CPU, gradient included
and logits not, in multiples of the logits. Time is in docs/losses.md ("What they cost").
"""

import torch
from torch.distributed._tools.mem_tracker import MemTracker

from lit_seg.losses import BLVLoss, CrossEntropyLoss, FocalLoss, LDAMLoss, PATLoss, RecallLoss

SHAPE = (2, 19, 128, 256)
LOSSES = (CrossEntropyLoss, FocalLoss, LDAMLoss, BLVLoss, PATLoss, RecallLoss)


def main() -> None:
    """Print a row per loss."""
    generator = torch.Generator().manual_seed(0)
    counts = [10 ** (8 - c // 4) for c in range(SHAPE[1])]
    label = torch.randint(SHAPE[1], (SHAPE[0], *SHAPE[2:]), generator=generator)
    print("| loss | peak, times the logits |")
    print("|---|---:|")
    for loss in LOSSES:
        logits = torch.randn(SHAPE, generator=generator, requires_grad=True)
        tracker = MemTracker()
        with tracker:
            loss(counts)(logits, label).backward()
        (peak,) = tracker.get_tracker_snapshot("peak").values()
        print(f"| {loss.__name__} | {peak['Total'] / logits.nbytes - 1:.2f} |")


if __name__ == "__main__":
    main()
