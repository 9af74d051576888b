"""What losses need beside the logits: `python experiments/paper/loss_memory.py`.

The space column of Table 2 of PAT: the peak of forward and backward on the CPU, gradient included
and logits not, in multiples of the logits. Time is in docs/losses.md ("What they cost").
"""

import json
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch.profiler import ProfilerActivity, profile

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
    for kind in LOSSES:
        logits = torch.randn(SHAPE, generator=generator, requires_grad=True)
        loss = kind(counts)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            loss(logits, label).backward()
        print(f"| {kind.__name__} | {peak(profiler) / logits.nbytes:.2f} |")


def peak(profiler: profile) -> int:
    """The most bytes that were allocated at one time since the profiler began."""
    with TemporaryDirectory() as folder:
        trace = Path(folder, "trace.json")
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    found = sorted((e["ts"], e["args"]["Bytes"]) for e in events if e["name"] == "[memory]")
    return max(accumulate(size for _, size in found))


if __name__ == "__main__":
    main()
