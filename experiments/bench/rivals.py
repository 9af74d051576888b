"""The losses to compare: every one of ours by its name, and those of others."""

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec

import segmentation_models_pytorch as smp
import torch
import torch.nn.functional as F
from torch import Tensor

from lit_seg.losses import CrossEntropyLoss, LDAMLoss, SegLoss, SoftDiceLoss
from lit_seg.losses.catalogue import every_loss
from lit_seg.metrics.labels import VOID, void_of

LossFunction = Callable[[Tensor, Tensor], Tensor]
BASE = "F.cross_entropy"
NEEDED = {
    "DeferredReweightingLoss": {"loss": LDAMLoss},
    "WeightedSumLoss": {"losses": [CrossEntropyLoss, SoftDiceLoss]},
}
"""Arguments that a loss cannot do without."""


def our_losses(class_counts: Sequence[int], names: Sequence[str] = ()) -> dict[str, SegLoss]:
    """Every loss of ours with its defaults, by the name that LOSS has; or those with such names."""
    return {
        cls.card.name: cls(class_counts, **NEEDED.get(cls.__name__, {}))
        for cls in every_loss()
        if not names or cls.card.name in names
    }


def cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Torch's own, to which all others are compared."""
    return F.cross_entropy(logits, target, ignore_index=void_of(logits.shape[1]))


def published_recall(logits: Tensor, target: Tensor) -> Tensor:
    """Recall loss as its authors' code computes it, in our words, mended so that void is left out.

    As there, the counts of pixels and misses start at one and are overwritten by what is found, and
    the mean is over all pixels.
    """
    classes, valid = logits.shape[1], target != VOID
    missed = valid & (logits.argmax(1) != target)
    support, misses = torch.ones(2, classes, device=logits.device)
    for counts, labels in ((support, target[valid]), (misses, target[missed])):
        found, number = labels.unique(return_counts=True)
        counts[found] = number.to(counts.dtype)
    weight = (misses / support)[target.masked_fill(~valid, 0)]
    nll = F.cross_entropy(logits, target, reduction="none", ignore_index=VOID)
    return (weight * nll).mean()


def torchvision_criterion(logits: Tensor, target: Tensor) -> Tensor:
    """The criterion of torchvision's reference script: networks there return a dict."""
    outputs = {"out": logits}
    losses = {name: cross_entropy(output, target) for name, output in outputs.items()}
    return losses["out"] + 0.5 * losses["aux"] if "aux" in losses else losses["out"]


def others() -> dict[str, LossFunction]:
    """Losses of other packages, as far as these are installed."""
    found: dict[str, LossFunction] = {
        "published recall loss": published_recall,
        "torchvision's criterion": torchvision_criterion,
        "smp Dice": smp.losses.DiceLoss("multiclass", ignore_index=VOID),
        "smp focal": smp.losses.FocalLoss("multiclass", ignore_index=VOID),
        "smp Lovász": smp.losses.LovaszLoss("multiclass", ignore_index=VOID),
    }
    if find_spec("kornia"):
        kornia = import_module("kornia.losses")
        found["kornia focal"] = kornia.FocalLoss(0.5, reduction="mean", ignore_index=VOID)
    if find_spec("monai"):
        dice = import_module("monai.losses").DiceCELoss(softmax=True, to_onehot_y=True)
        # it knows no void
        found["monai Dice + CE"] = lambda z, y: dice(z, y.masked_fill(y == VOID, 0)[:, None])
    return found
