"""Every loss that ``lit_seg.losses`` exports, with its defaults and in its variants."""

import inspect
from functools import partial

import pytest
import torch

import lit_seg.losses
from lit_seg.losses import (
    ClassCounts,
    CrossEntropyLoss,
    FocalLoss,
    LDAMLoss,
    OHEMLoss,
    PATLoss,
    PixelLoss,
    RecallLoss,
    SegLoss,
    SoftDiceLoss,
)

# what a loss cannot be made without
NEEDED = {
    "DeferredReweightingLoss": {"loss": LDAMLoss},
    "WeightedSumLoss": {"losses": [CrossEntropyLoss, SoftDiceLoss]},
}

# options that lead a loss through other code than its defaults
VARIANTS = {
    "RecallLoss": [
        {"momentum": 0.9},
        {"normalizer": "weight_sum"},
        {"floor_one": True, "min_weight": 0.1, "max_weight": 0.8},
    ],
    "InverseFrequencyLoss": [
        {"scheme": "sqrt_inverse"},
        {"scheme": "median", "normalizer": "weight_sum"},
        {"scheme": "segnet"},
        {"scheme": "enet"},
    ],
    "ClassBalancedLoss": [{"beta": 0.9}, {"unit": "images", "normalizer": "weight_sum"}],
    "FocalLoss": [{"gamma": 0.5}, {"gamma": 0.0}],
    "ClassBalancedFocalLoss": [{"gamma": 0.5, "normalizer": "weight_sum"}],
    "RecallFocalLoss": [{"gamma": 1.0, "momentum": 0.9, "normalizer": "weight_sum"}],
    "MetricWeightedLoss": [
        {"metric": "recall"},
        {"metric": "dice", "momentum": 0.9},
        {"metric": "jaccard", "normalizer": "weight_sum"},
        {"metric": "tversky", "fp_weight": 0.2},
    ],
    "OHEMLoss": [{"keep": 0.3}, {"threshold": 0.5, "min_kept": 3}],
    "PATLoss": [
        {"weight_form": "reciprocal", "temperature": 2.0},
        {"weight_form": "inap", "divide_by": "logits"},
        {"weight_form": "ina", "divide_by": "pixels", "detach": True},
    ],
    "LogitAdjustmentLoss": [{"tau": 0.5}],
    "LDAMLoss": [{"max_margin": 0.2, "scale": 1.0}],
    "BLVLoss": [{"noise": "uniform"}, {"noise": "xavier"}, {"sigma": 0.0}],
    "SeesawLoss": [{"mitigation": 0.0}, {"compensation": 0.0}, {"min_confidence": 0.01}],
    "SoftIoULoss": [{"per_image": True}],
    "SoftDiceLoss": [{"per_image": True}],
    "SoftTverskyLoss": [{"fp_weight": 0.0, "fn_weight": 1.0}, {"per_image": True}],
    "LovaszSoftmaxLoss": [{"per_image": True}],
    "DeferredReweightingLoss": [
        {"loss": FocalLoss, "start": 0.0},
        {"loss": partial(OHEMLoss, keep=0.5), "start": 0.0},
        {"loss": PATLoss, "start": 0.0},
        {"loss": RecallLoss, "start": 0.0},
    ],
    "WeightedSumLoss": [{"losses": [RecallLoss, PATLoss], "factors": [0.5, 2.0]}],
}


class Make:
    """Makes a fresh loss from counts: one with a state must not carry it along.

    Counts come as pixels; where the options need images they are made up, the same for the same
    pixels.
    """

    def __init__(self, cls, options):
        self.cls = cls
        self.plain = not options
        self.options = {**NEEDED.get(cls.__name__, {}), **options}

    def __call__(self, counts):
        if self.needs_images:
            images = [-(-n // 7) for n in counts]
            image_pixels = [9 * n + k for n, k in zip(counts, images, strict=True)]
            counts = ClassCounts(counts, images, image_pixels)
        return self.cls(counts, **self.options)

    @property
    def needs_images(self):
        return "segnet" in self.options.values() or "images" in self.options.values()

    @property
    def noisy(self):
        return self.cls.__name__ == "BLVLoss" and self.options.get("sigma") != 0

    @property
    def most_classes(self):
        return 60 if self.options.get("weight_form") == "ina" else 65535

    def __repr__(self):
        def text(value):
            if isinstance(value, list):
                return "+".join(map(text, value))
            if isinstance(value, partial):
                return value.func.__name__
            return getattr(value, "__name__", str(value))

        shown = {k: v for k, v in self.options.items() if NEEDED.get(self.cls.__name__) != {k: v}}
        return ",".join([self.cls.__name__, *(f"{k}={text(v)}" for k, v in shown.items())])


def exported():
    """The exported classes of losses."""
    for name in lit_seg.losses.__all__:
        cls = getattr(lit_seg.losses, name)
        if inspect.isclass(cls) and issubclass(cls, SegLoss) and cls not in (SegLoss, PixelLoss):
            yield cls


LOSSES = [
    Make(cls, options) for cls in exported() for options in [{}, *VARIANTS.get(cls.__name__, [])]
]

every_loss = pytest.mark.parametrize("make", LOSSES, ids=repr)
"""``make(class_counts)`` gives a fresh loss."""

every_exact_loss = pytest.mark.parametrize(
    "make", [make for make in LOSSES if not make.noisy], ids=repr
)
"""Without those that draw random numbers, whose order is that of pixels and classes."""

every_class_of_losses = pytest.mark.parametrize(
    "make", [make for make in LOSSES if make.plain or make.cls is RecallLoss], ids=repr
)
"""With its defaults only, where many inputs are tried."""

every_exact_class_of_losses = pytest.mark.parametrize(
    "make",
    [make for make in LOSSES if (make.plain or make.cls is RecallLoss) and not make.noisy],
    ids=repr,
)

every_kind_of_loss = pytest.mark.parametrize(
    "make", [Make(cls, {}) for cls in (CrossEntropyLoss, RecallLoss, SoftDiceLoss)], ids=repr
)
"""A mean over pixels, one with a state, and one over regions.

They represent all losses where :meth:`SegLoss.forward` alone is tested, which no loss overrides.
"""

COUNTS = [90, 30, 10, 5]


class SameNoise:
    """Calls ``loss`` with the same random numbers each time."""

    def __init__(self, loss):
        self.loss = loss

    def __call__(self, *batch):
        with torch.random.fork_rng(devices=()):
            torch.default_generator.manual_seed(0)  # torch's own also walks the stack, for GPUs
            return self.loss(*batch)
