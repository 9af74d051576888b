"""Why recall and no other metric: `python experiments/metric_weights.py docs/metric_weights.png`.

Section 3.3 of arXiv 2106.14917 argues that a weight with false positives in its numerator makes
them explode, and shows no curve. Here is one: a linear classifier on two classes of points that
overlap, one of them rare, trained with cross-entropy weighted by 1 - recall, precision, Dice or
Jaccard. All points are one batch, and the loss is divided by the weights of the points.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import torch

from lit_seg.losses import CrossEntropyLoss, MetricWeightedLoss, SegLoss

FREQUENT, RARE = 4000, 80
SEEDS = 5
STEPS = 400
METRICS = ("none", "recall", "dice", "jaccard", "precision")


def points(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """``(N, 2)`` points of unit spread around (0, 0) and, the rare ones, (2, 0); and labels."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(FREQUENT + RARE, 2, generator=generator)
    label = (torch.arange(len(x)) >= FREQUENT).long()
    x[:, 0] += 2 * label
    return x, label


def simulate(metric: str, seed: int, steps: int = STEPS) -> torch.Tensor:
    """``(steps, 2)``: recall of the rare class, and false positives per point that is of it."""
    x, label = points(seed)
    counts = [FREQUENT, RARE]
    loss: SegLoss = CrossEntropyLoss(counts)
    if metric != "none":
        loss = MetricWeightedLoss(counts, metric=metric, normalizer="weight_sum")
    model = torch.nn.Linear(2, 2)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    history = []
    for _ in range(steps):
        logits = model(x)
        found = logits[:, 1] > logits[:, 0]
        rare = label == 1
        history.append([found[rare].float().mean().item(), (found & ~rare).sum().item() / RARE])
        optimizer.zero_grad()
        loss(logits, label).backward()
        optimizer.step()
    return torch.tensor(history)


def main(picture: Path) -> None:
    """Draw both over the steps, as the mean and range of the seeds, and print where they end."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    print("| 1 - metric | recall of the rare class | false positives per rare point |")
    print("|---|---:|---:|")
    for metric, colour in zip(
        METRICS, ("#777777", "#0072B2", "#009E73", "#E69F00", "#D55E00"), strict=True
    ):
        runs = torch.stack([simulate(metric, seed) for seed in range(SEEDS)])
        for axis, values in zip(axes, runs.unbind(-1), strict=True):
            name = "cross-entropy" if metric == "none" else f"1 - {metric}"
            done = range(1, STEPS + 1)
            axis.plot(done, values.mean(0), color=colour, label=name)
            axis.fill_between(
                done, values.amin(0), values.amax(0), color=colour, alpha=0.2, linewidth=0
            )
        ends = [f"{v.mean():.2f} ± {v.std():.2f}" for v in runs[:, -1].unbind(-1)]
        print(f"| {metric} |", " | ".join(ends), "|")
    axes[0].set(xlabel="step", ylabel="recall of the rare class", ylim=(-0.02, 1.02))
    axes[1].set(xlabel="step", ylabel="false positives per rare point")
    for axis in axes:
        axis.set_xscale("log")
    axes[1].legend(frameon=False)
    figure.savefig(picture, dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
