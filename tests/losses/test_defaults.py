"""Whose defaults: the two papers' where they state one, else those of the loss's own paper."""

import inspect

import pytest
import torch

from lit_seg.losses import (
    MetricWeightedLoss,
    PATLoss,
    RecallFocalLoss,
    RecallLoss,
    post_hoc_adjusted,
)
from tests.losses.every import COUNTS, LOSSES, exported

REWEIGHTED = {"beta": None, "unit": "pixels"}  # beta is (N - 1) / N
RECALL = {"momentum": 0.0, "normalizer": "valid", "floor_one": False}
BOUNDS = {"min_weight": 0.0, "max_weight": 1.0}
NONE = inspect.Parameter.empty

DEFAULTS = {
    "CrossEntropyLoss": {},
    "InverseFrequencyLoss": {"scheme": "inverse", "normalizer": "valid"},
    "ClassBalancedLoss": {**REWEIGHTED, "normalizer": "valid"},
    "FocalLoss": {"gamma": 2.0},
    "ClassBalancedFocalLoss": {"gamma": 2.0, **REWEIGHTED, "normalizer": "valid"},
    "OHEMLoss": {"keep": 0.7, "threshold": None, "min_kept": 100_000},
    "SoftIoULoss": {"per_image": False},
    "SoftDiceLoss": {"per_image": False},
    "SoftTverskyLoss": {"fp_weight": 0.3, "fn_weight": 0.7, "per_image": False},
    "LovaszSoftmaxLoss": {"per_image": False},
    "RecallLoss": {**RECALL, **BOUNDS},
    "RecallFocalLoss": {"gamma": 2.0, **RECALL, **BOUNDS},
    "MetricWeightedLoss": {
        "metric": "precision",
        "momentum": 0.0,
        "fp_weight": 0.3,
        "fn_weight": 0.7,
        "normalizer": "valid",
    },
    "PATLoss": {
        "temperature": 20.0,
        "epsilon": 0.0,
        "weight_form": "paper",
        "divide_by": "mask",
        "detach": False,
    },
    "LDAMLoss": {"max_margin": 0.5, "scale": 20.0},
    "BLVLoss": {"sigma": 0.5, "noise": "gaussian"},
    "BalancedSoftmaxLoss": {},
    "LogitAdjustmentLoss": {"tau": 1.0},
    "SeesawLoss": {"mitigation": 0.8, "compensation": 2.0, "min_confidence": 0.0},
    "DeferredReweightingLoss": {"loss": NONE, "start": 0.8, **REWEIGHTED},
    "WeightedSumLoss": {"losses": NONE, "factors": None},
}


@pytest.mark.parametrize("cls", list(exported()), ids=lambda cls: cls.__name__)
def test_defaults(cls):
    parameters = dict(inspect.signature(cls).parameters)
    assert parameters.pop("class_counts").default is NONE
    assert {name: p.default for name, p in parameters.items()} == DEFAULTS[cls.__name__]


@pytest.mark.parametrize("make", [make for make in LOSSES if make.plain], ids=repr)
def test_defaults_are_what_is_used(make):
    options = vars(make(COUNTS))
    for name, default in DEFAULTS[make.cls.__name__].items():
        if name in options and name != "factors":
            assert options[name] == default


def test_the_state_starts_without_memory_and_without_a_floor():
    for loss in (RecallLoss(COUNTS), RecallFocalLoss(COUNTS), MetricWeightedLoss(COUNTS)):
        assert loss.state.momentum == 0
        assert getattr(loss.state, "min_misses", 0) == 0
    assert (
        MetricWeightedLoss(COUNTS).state.fp_weight,
        MetricWeightedLoss(COUNTS).state.fn_weight,
    ) == (1, 0)


def test_post_hoc_adjustment_takes_out_the_whole_prior():
    logits = torch.zeros(2, 4, 3)
    want = -torch.tensor([n / sum(COUNTS) for n in COUNTS]).log().view(4, 1).expand_as(logits)
    torch.testing.assert_close(post_hoc_adjusted(logits, COUNTS), want)
    half = post_hoc_adjusted(logits.half(), COUNTS)
    assert half.dtype == torch.float16


def test_options_are_printed_in_order():
    assert repr(PATLoss(COUNTS, temperature=5)) == (
        "PATLoss(temperature=5, epsilon=0.0, weight_form=paper, divide_by=mask, detach=False)"
    )
