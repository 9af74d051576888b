"""Eq. 7-8 and Table 1 of the recall paper in numbers: `python experiments/paper/gradient_terms.py`.

1. On random binary problems the gradient of recall loss by autograd is compared with the two terms
   of Eq. 8, and FN of one class with FP of the other.
2. For one imbalanced problem, whose rare class is predicted too seldom, the gradient of its logit
   under three losses: what pulls it up, and what pushes it down.
3. What a class weighs by each metric of Table 1 as its false positives grow and nothing else does.
"""

from typing import Literal

import torch
from torch import Tensor

from lit_seg.losses import (
    CrossEntropyLoss,
    InverseFrequencyLoss,
    MetricWeightedLoss,
    RecallLoss,
    SegLoss,
)

PROBLEMS = 1000
RARE, FREQUENT = 80, 4000
METRICS: tuple[Literal["recall", "precision", "dice", "jaccard", "tversky"], ...] = (
    "recall",
    "precision",
    "dice",
    "jaccard",
    "tversky",
)


def pulls(loss: SegLoss, logits: Tensor, label: Tensor) -> tuple[float, float]:
    """Summed gradient of the first logit: over pixels of the first class, and of the second."""
    logits = logits.clone().requires_grad_()
    loss(logits, label).backward()
    assert logits.grad is not None
    gradient = logits.grad[:, 0] * len(label)  # the papers sum, the losses take a mean
    return gradient[label == 0].sum().item(), gradient[label == 1].sum().item()


def terms(logits: Tensor, label: Tensor) -> tuple[float, float, int, int]:
    """FN_1 (P_1^(1) - 1) and FP_1 P_1^(2) of Eq. 8, then FN_2 and FP_1."""
    p = logits.softmax(1)[:, 0]
    found = logits.argmax(1) == 0
    fn = int((~found & (label == 0)).sum())
    fp = int((found & (label == 1)).sum())
    fn_2 = int((logits.argmax(1)[label == 1] != 1).sum())
    first = fn * (p[label == 0].mean().item() - 1)
    return first, fp * p[label == 1].mean().item(), fn_2, fp


def problem(seed: int, rare: int, frequent: int) -> tuple[Tensor, Tensor]:
    """Logits that are right more often than not, and labels; class 0 is the rare one."""
    generator = torch.Generator().manual_seed(seed)
    label = (torch.arange(rare + frequent) >= rare).long()
    logits = torch.randn(rare + frequent, 2, generator=generator, dtype=torch.float64)
    logits[torch.arange(len(label)), label] += 1
    return logits, label


def main() -> None:
    """Print all three."""
    worst, same = 0.0, True
    for seed in range(PROBLEMS):
        logits, label = problem(seed, 20 + seed % 50, 30 + seed % 70)
        first, second, fn_2, fp_1 = terms(logits, label)
        got = pulls(RecallLoss([1, 1]), logits, label)
        scale = abs(first) + abs(second)
        worst = max(worst, abs(got[0] - first) / scale, abs(got[1] - second) / scale)
        same &= fn_2 == fp_1
    print(
        f"{PROBLEMS} binary problems: autograd and Eq. 8 differ by at most {worst:.0e} of the sum"
    )
    print(f"of both terms; FN_2 equals FP_1 in {'all' if same else 'NOT all'}.\n")

    logits, label = problem(0, RARE, FREQUENT)
    logits[:, 0] -= 2
    missed = [(logits.argmax(1)[label == c] != c).double().mean().item() for c in (0, 1)]
    print(
        f"{RARE} rare pixels, {missed[0]:.0%} missed; {FREQUENT} others, {missed[1]:.1%} missed:\n"
    )
    counts = [RARE, FREQUENT]
    print("| gradient of the rare logit | from its own pixels | from the others | ratio |")
    print("|---|---:|---:|---:|")
    for name, loss in (
        ("cross-entropy", CrossEntropyLoss(counts)),
        ("recall", RecallLoss(counts)),
        ("inverse frequency", InverseFrequencyLoss(counts)),
    ):
        own, others = pulls(loss, logits, label)
        print(f"| {name} | {own:.1f} | {others:+.1f} | {-own / others:.3f} |")

    print("\n| false positives | " + " | ".join(f"1 - {metric}" for metric in METRICS), "|")
    print("|---:|" + "---:|" * len(METRICS))
    label = torch.tensor([[0] * 80 + [1] * 1000])  # 60 hits and 20 misses
    for false in (0, 20, 80, 320):
        guess = torch.tensor([[0] * 60 + [1] * 20 + [0] * false + [1] * (1000 - false)])
        logits = torch.nn.functional.one_hot(guess, 2).movedim(-1, 1).float()
        weights = []
        for metric in METRICS:
            weighted = MetricWeightedLoss([80, 1000], metric=metric)
            weighted(logits, label)
            weights.append(f"{weighted.class_stats()['weight'][0].item():.2f}")
        print(f"| {false} |", " | ".join(weights), "|")


if __name__ == "__main__":
    main()
