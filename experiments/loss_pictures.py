"""The pictures of docs/losses.md: `python experiments/loss_pictures.py docs/losses`.

Each curve comes from calling the losses of `lit_seg.losses`, none from a formula that is typed
again here. No data, no training, no GPU; ten seconds.
"""

import io
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from lit_seg import losses as L
from lit_seg.losses import ClassCounts, SegLoss

# Okabe and Ito's colours, which differ also for the colour-blind; line styles differ as well
BLACK, BLUE, ORANGE, GREEN, RED, PINK, SKY, GREY = (
    "#000000", "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#777777",
)  # fmt: skip

PIXELS = [400_000, 250_000, 180_000, 90_000, 50_000, 20_000, 8_000, 2_000]
"""A long tail of eight classes, from 40 % of the pixels to 0.2 %."""

SHARE = torch.tensor(PIXELS, dtype=torch.float64) / sum(PIXELS)

EVERY: dict[str, Callable[[list[int]], SegLoss]] = {
    "ce": L.CrossEntropyLoss,
    "wce": L.InverseFrequencyLoss,
    "cb": L.ClassBalancedLoss,
    "recall": L.RecallLoss,
    "metric_weighted": L.MetricWeightedLoss,
    "focal": L.FocalLoss,
    "cb_focal": L.ClassBalancedFocalLoss,
    "ohem": L.OHEMLoss,
    "pat": L.PATLoss,
    "recall_focal": L.RecallFocalLoss,
    "logit_adjustment": L.LogitAdjustmentLoss,
    "balanced_softmax": L.BalancedSoftmaxLoss,
    "ldam": L.LDAMLoss,
    "blv": L.BLVLoss,
    "seesaw": L.SeesawLoss,
    "soft_iou": L.SoftIoULoss,
    "soft_dice": L.SoftDiceLoss,
    "soft_tversky": L.SoftTverskyLoss,
    "lovasz": L.LovaszSoftmaxLoss,
    "ldam_drw": partial(L.DeferredReweightingLoss, loss=L.LDAMLoss),
    "focal_drw": partial(L.DeferredReweightingLoss, loss=L.FocalLoss),
    "ce_dice": partial(L.WeightedSumLoss, losses=[L.CrossEntropyLoss, L.SoftDiceLoss]),
}
"""Each LOSS with its defaults, as its file in experiments/loss makes it."""


def gradient(loss: SegLoss, logits: Tensor, target: Tensor) -> Tensor:
    """The gradient of the loss of a batch with respect to its logits."""
    logits = logits.clone().requires_grad_()
    loss(logits, target).backward()
    assert logits.grad is not None
    return logits.grad


def confident(p: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """``(P, C)`` logits that give the true class the probability p, the others equal parts."""
    rest = ((1 - p) / (num_classes - 1)).unsqueeze(1).expand(-1, num_classes)
    return rest.scatter(1, target.unsqueeze(1), p.unsqueeze(1)).log()


def batch_of_a_long_tail() -> tuple[Tensor, Tensor]:
    """``(1, C, P)`` logits and ``(1, P)`` labels: an image under a half-trained network.

    It has learned how frequent the classes are: a rare one is mostly taken for a frequent one.
    """
    generator = torch.Generator().manual_seed(0)
    target = torch.repeat_interleave(torch.arange(len(PIXELS)), torch.tensor(PIXELS) // 50)
    logits = torch.randn(len(target), len(PIXELS), generator=generator)
    logits = logits + 0.7 * SHARE.log().float()
    logits[torch.arange(len(target)), target] += 2.5
    return logits.T.unsqueeze(0), target.unsqueeze(0)


def figure_of(columns: int, height: float = 3.2, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure that is 750 pixels wide."""
    figure, axes = plt.subplots(rows, columns, figsize=(7.5, height), layout="constrained")
    return figure, list(axes.flat) if rows * columns > 1 else [axes]


def by_confidence(
    makers: list[tuple[str, Callable[[list[int]], SegLoss], str, str]],
    axes: list[Axes],
    num_classes: int = 4,
) -> None:
    """Loss and gradient of single pixels against the probability of their true class."""
    p = torch.linspace(0.01, 0.99, 99)
    target = torch.zeros(1, dtype=torch.long)
    for name, make, colour, style in makers:
        values, slopes = [], []
        for one in p:
            logits = confident(one.view(1), target, num_classes).requires_grad_()
            value = make([1000] * num_classes)(logits, target)
            (slope,) = torch.autograd.grad(value, logits)
            values.append(value.item())
            slopes.append(-slope[0, 0].item())
        axes[0].plot(p, values, color=colour, linestyle=style, label=name)
        axes[1].plot(p, slopes, color=colour, linestyle=style, label=name)
    axes[0].set(xlabel="probability p of the true class", ylabel="loss of the pixel", ylim=(0, 4))
    axes[1].set(xlabel="probability p of the true class", ylabel="pull on the true logit")


def overview() -> Figure:
    """Which class the gradient comes from, for every loss on one batch."""
    logits, target = batch_of_a_long_tail()
    shares = []
    for make in EVERY.values():
        torch.manual_seed(0)
        loss = make(PIXELS)
        loss.set_progress(1.0)
        size = gradient(loss, logits, target).abs().sum(1).flatten().double()
        of_class = torch.bincount(target.flatten(), size, minlength=len(PIXELS))
        shares.append(of_class / of_class.sum())
    table = 100 * torch.stack(shares)
    figure, (axis,) = figure_of(1, height=7.2)
    axis.imshow(table.clamp(min=0.1).log10(), cmap="cividis", aspect="auto", vmin=-0.5, vmax=1.6)
    for row, values in enumerate(table.tolist()):
        for column, value in enumerate(values):
            text = f"{value:.0f}" if value >= 9.95 or value == 0 else f"{value:.1f}"
            colour = "black" if value > 5 else "white"
            axis.text(column, row, text, ha="center", va="center", fontsize=10, color=colour)
    for row in (1, 5, 10, 15, 19):  # between the families
        axis.axhline(row - 0.5, color="white", linewidth=3)
    axis.set_yticks(range(len(EVERY)), list(EVERY))
    axis.set_xticks(range(len(PIXELS)), [f"{100 * s:.3g} %" for s in SHARE.tolist()])
    axis.xaxis.tick_top()
    axis.xaxis.set_label_position("top")
    axis.set_xlabel("share of the class in all pixels")
    axis.set_title("share of the gradient that comes from its pixels, in %", fontsize=11, y=-0.06)
    return figure


def weights_by_share() -> Figure:
    """Fixed class weights against how frequent the class is."""
    # image counts: a class with few pixels is in few of 1000 images, and small where it is
    images = [min(1000, max(2, int(1000 * (n / 100_000) ** 0.6))) for n in PIXELS]
    counts = ClassCounts(PIXELS, images, [i * 1000 for i in images])
    percent = 100 * SHARE
    figure, (left, right) = figure_of(2)
    schemes = (
        ("inverse", BLUE, "-"), ("sqrt_inverse", SKY, "--"), ("median", ORANGE, "-"),
        ("segnet", RED, "-."), ("enet", GREEN, ":"),
    )  # fmt: skip
    for scheme, colour, style in schemes:
        weight = L.InverseFrequencyLoss(counts, scheme=scheme).weight
        left.plot(percent, weight, style, color=colour, marker=".", label=scheme)
    left.set_title("wce: scheme", fontsize=11)
    betas: tuple[tuple[str, float | None, str, str], ...] = (
        ("(N-1)/N, the default", None, BLUE, "-"), (".99999", 0.99999, ORANGE, "--"),
        (".9999", 0.9999, RED, "-."),
    )  # fmt: skip
    for name, beta, colour, style in betas:
        weight = L.ClassBalancedLoss(counts, beta=beta).weight
        right.plot(percent, weight, style, color=colour, marker=".", label=name)
    right.set_title("cb: beta, N = 1,000,000 pixels", fontsize=11)
    for axis in (left, right):
        axis.set(xscale="log", yscale="log", xlabel="share of the class in all pixels, %")
        axis.axhline(1, color=GREY, linewidth=0.6)
        axis.legend(frameon=False, fontsize=9, loc="lower left")
    left.set(ylabel="weight of its pixels", ylim=(0.007, 100))
    return figure


def recall_weights() -> Figure:
    """The weight of recall loss against recall, and after recall has changed."""
    figure, (left, right) = figure_of(2)
    options: tuple[tuple[str, dict[str, float], str, str], ...] = (
        ("the paper", {}, SKY, "-"),
        ("floor_one, a class of 20 pixels", {"floor_one": True}, ORANGE, "--"),
        ("min_weight=.2, max_weight=.8", {"min_weight": 0.2, "max_weight": 0.8}, GREEN, ":"),
    )
    target = torch.cat([torch.zeros(20), torch.ones(20)]).long()
    for name, option, colour, style in options:
        weights = []
        for hits in range(21):
            loss = L.RecallLoss([20, 20], **option)
            logits = torch.zeros(40, 2)
            logits[:hits, 0], logits[hits:, 1] = 1.0, 1.0  # `hits` of class 0 are found
            loss(logits, target)
            weights.append(loss.weight[0])
        width = 5 if not option else 1.7
        left.plot(torch.arange(21) / 20, weights, style, color=colour, label=name, linewidth=width)
    left.set(xlabel="recall of the class in this step", ylabel="weight of its pixels")
    left.set_ylim(-0.03, 1.45)
    left.legend(frameon=False, fontsize=9, loc="upper right")

    generator = torch.Generator().manual_seed(0)
    steps = 60
    for momentum, colour, style in ((0.0, SKY, "-"), (0.5, ORANGE, "--"), (0.9, BLACK, "-")):
        loss = L.RecallLoss([100, 100], momentum=momentum)
        weights = []
        generator.manual_seed(0)
        for step in range(steps):
            present = not 20 <= step < 30
            rate = 0.2 if step < 30 else 0.8
            found = (torch.rand(50, generator=generator) < rate).float()
            logits = torch.stack([found, 1 - found], 1)
            loss(logits, torch.zeros(50, dtype=torch.long) if present else torch.ones(50).long())
            weights.append(loss.weight[0])
        right.plot(weights, style, color=colour, label=f"momentum {momentum:g}")
    right.axvspan(19.5, 29.5, color=GREY, alpha=0.2, linewidth=0)
    right.text(24.5, 0.03, "absent", ha="center", fontsize=9)
    right.set(xlabel="training step", ylabel="weight of its pixels", ylim=(0, 1.45))
    right.set_title("recall .2, then .8", fontsize=11)
    left.set_title("momentum 0", fontsize=11)
    right.legend(frameon=False, fontsize=9, loc="upper right")
    return figure


def focal() -> Figure:
    """Cross-entropy and focal loss against confidence."""
    figure, axes = figure_of(2)
    makers = [("ce (gamma 0)", L.CrossEntropyLoss, BLACK, "-")]
    styles = ((0.5, SKY, "--"), (1.0, GREEN, "-."), (2.0, BLUE, "-"), (5.0, RED, ":"))
    for gamma, colour, style in styles:
        makers.append((f"gamma {gamma:g}", partial(L.FocalLoss, gamma=gamma), colour, style))
    by_confidence(makers, axes)
    axes[0].legend(frameon=False, fontsize=9)
    return figure


def pat() -> Figure:
    """The forms and temperatures of PAT against confidence."""
    figure, axes = figure_of(2)
    form = partial(L.PATLoss, divide_by="pixels")
    makers = [
        ("ce", L.CrossEntropyLoss, BLACK, "-"),
        ("paper, T 20", form, BLUE, "-"),
        ("paper, T 2", partial(form, temperature=2.0), SKY, "--"),
        ("paper, T .5", partial(form, temperature=0.5), GREEN, "-."),
        ("reciprocal, T 2", partial(form, temperature=2.0, weight_form="reciprocal"), RED, "--"),
        ("inap", partial(form, weight_form="inap"), ORANGE, ":"),
    ]
    by_confidence(makers, axes)
    axes[1].legend(frameon=False, fontsize=9)
    axes[1].set_ylim(0, 3)
    return figure


def ohem() -> Figure:
    """Which pixels OHEM keeps, by confidence and by class."""
    figure, (left, right) = figure_of(2)
    p = torch.linspace(0.005, 0.995, 199)
    target = torch.zeros(len(p), dtype=torch.long)
    logits = confident(p, target, 4)
    options: tuple[tuple[str, dict[str, float], str, str], ...] = (
        ("keep .7, the default", {}, BLUE, "-"),
        ("keep .3", {"keep": 0.3}, SKY, "--"),
        ("threshold .5", {"threshold": 0.5, "min_kept": 0}, ORANGE, ":"),
    )
    left.plot(p, -gradient(L.CrossEntropyLoss([1] * 4), logits, target)[:, 0] * len(p), "-",
              color=BLACK, label="ce")  # fmt: skip
    for name, option, colour, style in options:
        pull = -gradient(L.OHEMLoss([1] * 4, **option), logits, target)[:, 0]
        left.plot(p, pull * len(p), style, color=colour, label=name)
    left.set(xlabel="probability p of the true class", ylabel="pull on the true logit")
    left.set_title("199 pixels, p spread evenly", fontsize=11)
    left.legend(frameon=False, fontsize=9)

    logits, target = batch_of_a_long_tail()
    positions = torch.arange(len(PIXELS))
    for name, keep, colour, marker in (("keep .7", 0.7, BLUE, "o"), ("keep .3", 0.3, SKY, "s")):
        kept = gradient(L.OHEMLoss(PIXELS, keep=keep), logits, target).abs().sum(1) > 0
        of_class = torch.bincount(target[kept], minlength=8) / torch.bincount(target.flatten())
        right.plot(positions, 100 * of_class, marker + "-", color=colour, label=name)
    right.set_xticks(positions, [f"{100 * s:.2g}" for s in SHARE.tolist()])
    right.set(xlabel="share of the class in all pixels, %", ylabel="its pixels that count, %")
    right.set_ylim(0, 105)
    right.set_title("a long-tailed batch", fontsize=11)
    right.legend(frameon=False, fontsize=9)
    return figure


def weighted_focal() -> Figure:
    """Focal loss with a class weight: of recall, and of frequency."""
    figure, (left, right) = figure_of(2)
    p = torch.linspace(0.01, 0.99, 99)
    one = torch.zeros(1, dtype=torch.long)

    def pull(loss: SegLoss, label: int) -> list[float]:
        target = one + label
        return [
            -gradient(loss, confident(x.view(1), target, 2), target)[0, label].item() for x in p
        ]

    left.plot(p, pull(L.CrossEntropyLoss([1, 1]), 0), "-", color=BLACK, label="ce")
    for recall, colour, style in ((0, BLUE, "-"), (50, ORANGE, "--"), (90, GREEN, ":")):
        loss = L.RecallFocalLoss([1, 1])
        found = (torch.arange(100) < recall).float()
        loss(torch.stack([found, 1 - found], 1), torch.zeros(100, dtype=torch.long))
        loss.eval()  # keeps the recall of that step
        left.plot(p, pull(loss, 0), style, color=colour, label=f"recall {recall / 100:g}")
    left.set_title("recall_focal, gamma 2", fontsize=11)
    loss = L.ClassBalancedFocalLoss([98_000, 2_000])
    right.plot(p, pull(L.CrossEntropyLoss([1, 1]), 0), "-", color=BLACK, label="ce")
    right.plot(p, pull(loss, 1), "-", color=RED, label="class of 2 % of the pixels")
    right.plot(p, pull(loss, 0), "--", color=SKY, label="class of 98 %")
    right.set_title("cb_focal, gamma 2, two classes", fontsize=11)
    for axis in (left, right):
        axis.set(xlabel="probability p of the true class", ylabel="pull on the true logit")
        axis.legend(frameon=False, fontsize=9)
    return figure


def adjusted() -> Figure:
    """What the losses that change logits add to them, by how frequent the class is."""
    figure, axes = figure_of(3, height=3.0)
    percent = 100 * SHARE
    for tau, colour, style in ((0.5, SKY, "--"), (1.0, BLUE, "-"), (2.0, ORANGE, ":")):
        name = "tau 1, balanced_softmax" if tau == 1 else f"tau {tau:g}"
        shift = L.LogitAdjustmentLoss(PIXELS, tau=tau).shift
        axes[0].plot(percent, shift, style, color=colour, marker=".", label=name)
    axes[0].set_title("logit_adjustment", fontsize=11)
    axes[0].set_ylabel("added to the logit of the class")
    axes[0].set_ylim(-13, 5)
    for margin, colour, style in ((0.5, BLUE, "-"), (0.25, SKY, "--")):
        loss = L.LDAMLoss(PIXELS, max_margin=margin)
        axes[1].plot(percent, -loss.margin, style, color=colour, marker=".",
                     label=f"max_margin {margin:g}")  # fmt: skip
    axes[1].set_title("ldam, before the scale", fontsize=11)
    axes[1].set_ylabel("added where it is the true class")
    axes[1].set_ylim(-0.55, 0.15)
    torch.manual_seed(0)
    for sigma, colour, style in ((0.5, BLUE, "-"), (4.0, ORANGE, ":")):
        draws = L.BLVLoss(PIXELS, sigma=sigma).noisy(torch.zeros(4000, len(PIXELS)))
        axes[2].plot(percent, draws.mean(0), style, color=colour, marker=".",
                     label=f"sigma {sigma:g}")  # fmt: skip
        low, high = draws.quantile(torch.tensor([0.1, 0.9]), dim=0)
        axes[2].fill_between(percent, low, high, color=colour, alpha=0.15, linewidth=0)
    axes[2].set_title("blv, mean and 80 %", fontsize=11)
    axes[2].set_ylabel("added to the logit of the class")
    axes[2].set_ylim(-0.03, 1.35)
    for axis in axes:
        axis.set(xscale="log", xlabel="share of the class, %")
        axis.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def pair() -> Figure:
    """How pixels of a frequent and of a rare class push the rare logit."""
    figure, (left, right) = figure_of(2)
    counts = [98_000, 2_000]
    p = torch.linspace(0.01, 0.99, 99)
    makers: list[tuple[str, Callable[[list[int]], SegLoss], float, str, str]] = [
        ("ce", L.CrossEntropyLoss, 1, BLACK, "-"),
        ("balanced_softmax", L.BalancedSoftmaxLoss, 1, BLUE, "-"),
        ("ldam / 20", L.LDAMLoss, 20, ORANGE, "--"),
        ("seesaw", L.SeesawLoss, 1, GREEN, "-."),
        ("seesaw, q = 0", partial(L.SeesawLoss, compensation=0.0), 1, PINK, ":"),
        ("blv, mean", L.BLVLoss, 1, RED, ":"),
    ]
    for axis, label in ((left, 0), (right, 1)):
        for name, make, scale, colour, style in makers:
            pushes = []
            for x in p:
                loss = make(counts)
                if isinstance(loss, L.SeesawLoss):
                    loss.seen += torch.tensor(counts)  # as if it had trained on the set
                repeats = 400 if isinstance(loss, L.BLVLoss) else 1
                target = torch.full((repeats,), label)
                logits = confident(x.repeat(repeats), target, 2)
                pushes.append(gradient(loss, logits, target).sum(0)[1].item() / scale)
            axis.plot(p, pushes, style, color=colour, label=name)
        axis.set_xlabel("probability p of the true class")
        axis.axhline(0, color=GREY, linewidth=0.6)
    left.set_title("pixel of the frequent class (98 %)", fontsize=11)
    left.set_ylabel("gradient of the rare logit (> 0: down)")
    right.set_title("pixel of the rare class (2 %)", fontsize=11)
    right.set_ylabel("gradient of the rare logit (< 0: up)")
    right.set_ylim(-1.05, 0.5)
    right.legend(frameon=False, fontsize=9, loc="upper left", ncols=2, columnspacing=1)
    return figure


OVERLAPS: list[tuple[str, Callable[[list[int]], SegLoss], str, str]] = [
    ("soft_iou", L.SoftIoULoss, BLUE, "-"),
    ("soft_dice", L.SoftDiceLoss, ORANGE, "--"),
    ("soft_tversky (fp .3, fn .7)", L.SoftTverskyLoss, GREEN, "-."),
    ("fp .7, fn .3", partial(L.SoftTverskyLoss, fp_weight=0.7, fn_weight=0.3), PINK, ":"),
    ("lovasz", L.LovaszSoftmaxLoss, BLACK, ":"),
]


def overlap() -> Figure:
    """The region losses of one small mask on a large background."""
    figure, axes = figure_of(2, height=6.2, rows=2)
    mask, background = 100, 1_000_000
    target = torch.cat([torch.zeros(background // 100), torch.ones(mask)]).long()
    sure = 30.0  # a logit that leaves no probability to the other class

    def of_mask(make: Callable[[list[int]], SegLoss], logits: Tensor) -> float:
        # the mean of two classes, of which the background is all but perfect
        return 2 * make([background, mask])(logits, target).item()

    for name, make, colour, style in OVERLAPS:
        found_losses, false_losses, slopes = [], [], []
        shares = torch.linspace(0, 1, 21)
        for share in shares.tolist():
            logits = sure * torch.nn.functional.one_hot(target, 2).float()
            logits[len(target) - round((1 - share) * mask) :] = torch.tensor([sure, 0.0])
            found_losses.append(of_mask(make, logits))
            logits = sure * torch.nn.functional.one_hot(target, 2).float()
            logits[: round(2 * share * mask)] = torch.tensor([0.0, sure])
            false_losses.append(of_mask(make, logits))
        confidence = torch.linspace(0.02, 0.98, 25)
        doubtful = []
        for x in confidence:
            logits = confident(x.repeat(2 * mask), target[-2 * mask :], 2)
            doubtful.append(make([1, 1])(logits, target[-2 * mask :]).item())
        sizes = torch.logspace(0, 3.5, 8).long()
        for size in sizes.tolist():
            labels = (torch.arange(20_000) < size).long()
            logits = confident(torch.where(labels == 1, 0.5, 0.9999), labels, 2)
            slopes.append(-gradient(make([1, 1]), logits, labels)[0, 1].item())
        axes[0].plot(100 * shares, found_losses, style, color=colour, label=name)
        axes[1].plot(200 * shares, false_losses, style, color=colour, label=name)
        axes[2].plot(confidence, doubtful, style, color=colour, label=name)
        axes[3].plot(sizes, [s if s > 0 else torch.nan for s in slopes], style, color=colour)
    slopes = []
    for size in sizes.tolist():
        labels = (torch.arange(20_000) < size).long()
        logits = confident(torch.where(labels == 1, 0.5, 0.9999), labels, 2)
        slopes.append(-gradient(L.CrossEntropyLoss([1, 1]), logits, labels)[0, 1].item())
    axes[3].plot(sizes, slopes, color=RED, label="ce")
    axes[0].set(xlabel="found, % of the mask, no false positives", ylabel="loss of the class")
    axes[1].set(xlabel="false positives, % of the mask, all found", ylabel="loss of the class")
    axes[2].set(xlabel="probability p of the true class", ylabel="loss, two equal masks")
    axes[3].set(xscale="log", yscale="log", xlabel="size of the mask, pixels of 20,000")
    axes[3].set_ylabel("pull on one of its pixels, p = .5")
    axes[0].set_ylim(-0.03, 1.55)
    axes[0].legend(frameon=False, fontsize=9, loc="upper right")
    axes[3].legend(frameon=False, fontsize=9)
    return figure


def deferred() -> Figure:
    """The weights of the wrapper over the training, and where the gradient then comes from."""
    figure, (left, right) = figure_of(2)
    done = torch.linspace(0, 1, 101)
    shown = ((0, BLUE, "-"), (4, ORANGE, "--"), (7, RED, "-."))
    loss = L.DeferredReweightingLoss(PIXELS, loss=L.LDAMLoss)
    weights = []
    for x in done.tolist():
        loss.set_progress(x)
        weights.append(loss.class_stats()["weight"].clone())
    for label, colour, style in shown:
        name = f"class of {100 * SHARE[label]:.2g} %"
        left.plot(
            100 * done,
            [w[label] for w in weights],
            style,
            color=colour,
            label=name,
            drawstyle="steps-post",
        )
    left.set(
        yscale="log", xlabel="training done, %", ylabel="weight of its pixels", ylim=(0.01, 60)
    )
    left.legend(frameon=False, fontsize=9, loc="upper left")
    logits, target = batch_of_a_long_tail()
    for name, part, colour, style in (
        ("focal_drw", L.FocalLoss, BLUE, "-"),
        ("ldam_drw", L.LDAMLoss, ORANGE, "--"),
    ):
        loss = L.DeferredReweightingLoss(PIXELS, loss=part)
        shares = []
        for x in done.tolist():
            loss.set_progress(x)
            size = gradient(loss, logits, target).abs().sum(1)
            shares.append(100 * size[target >= 5].sum() / size.sum())
        right.plot(100 * done, shares, style, color=colour, label=name, drawstyle="steps-post")
    right.set(xlabel="training done, %", ylabel="gradient from the rarest three, %", ylim=(0, 100))
    right.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def ce_dice() -> Figure:
    """The two parts of the sum and the sum, for a small and a large mask."""
    figure, axes = figure_of(2)
    p = torch.linspace(0.01, 0.99, 50)
    total = 2000
    sum_loss = partial(L.WeightedSumLoss, losses=[L.CrossEntropyLoss, L.SoftDiceLoss])
    makers: tuple[tuple[str, Callable[[list[int]], SegLoss], str, str], ...] = (
        ("ce", L.CrossEntropyLoss, BLACK, "-"),
        ("soft_dice", L.SoftDiceLoss, ORANGE, "--"),
        ("ce_dice", sum_loss, BLUE, "-."),
    )
    for axis, mask in zip(axes, (2, 600), strict=True):
        target = (torch.arange(total) < mask).long()
        for name, make, colour, style in makers:
            pulls = []
            for x in p.tolist():
                confidence = torch.where(target == 1, x, 0.999)
                grad = gradient(make([1, 1]), confident(confidence, target, 2), target)
                pulls.append(-total * grad[:mask, 1].mean().item())
            axis.plot(p, pulls, style, color=colour, label=name)
        axis.set_title(f"mask of {100 * mask / total:g} % of the pixels", fontsize=11)
        axis.set_xlabel("probability p of its pixels")
        axis.legend(frameon=False, fontsize=9)
    axes[0].set(ylabel="pull per pixel, ce at p = 0 is 1", yscale="log")
    axes[1].set_ylabel("pull per pixel")
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "overview": overview,
    "weights_by_share": weights_by_share,
    "recall": recall_weights,
    "focal": focal,
    "ohem": ohem,
    "pat": pat,
    "weighted_focal": weighted_focal,
    "adjusted": adjusted,
    "pair": pair,
    "overlap": overlap,
    "deferred": deferred,
    "ce_dice": ce_dice,
}


def save(figure: Figure, path: Path) -> None:
    """As a PNG of 256 colours, half the size."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=100)
    plt.close(figure)
    Image.open(buffer).convert("RGB").quantize(256).save(path, optimize=True)


def main(folder: Path) -> None:
    """Draw all into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False})
    for name, draw in PICTURES.items():
        save(draw(), folder / f"{name}.png")
        print(folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
