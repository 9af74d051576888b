"""Whose defaults: the two papers' where they state one, else those of the loss's own paper."""

import inspect

import pytest

from lit_seg.losses import post_hoc_adjusted
from tests.losses.every import exported

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


def test_post_hoc_adjustment_takes_out_the_whole_prior():
    assert inspect.signature(post_hoc_adjusted).parameters["tau"].default == 1.0
