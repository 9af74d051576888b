"""Differences of scores, and how unevenly classes share the pixels, from numbers made by hand."""

import math

import numpy as np
import pytest

from lit_seg.metrics.frequency_groups import frequency_groups, gini
from lit_seg.metrics.scores import STATS, score_differences

# pixels labelled, predicted and both, of three classes; the baseline never predicts the last one
OURS = np.array([[100, 100, 90], [50, 40, 20], [10, 20, 5]])
BASELINE = np.array([[100, 120, 100], [50, 40, 30], [10, 0, 0]])


def test_precision_is_compared_over_the_classes_that_both_predict() -> None:
    found = dict(zip(STATS, score_differences(OURS, BASELINE, tail=[2]), strict=True))
    assert found["mprec"] == pytest.approx((90 / 100 + 20 / 40) / 2 - (100 / 120 + 30 / 40) / 2)
    assert math.isnan(found["tail_precision"])
    assert found["tail_recall"] == pytest.approx(0.5)
    assert found["pixel_acc"] == pytest.approx((115 - 130) / 160)


def test_the_classes_may_be_given() -> None:
    first = np.array([True, False, False])
    found = dict(zip(STATS, score_differences(OURS, BASELINE, [2], first), strict=True))
    assert found["mprec"] == pytest.approx(90 / 100 - 100 / 120)


def test_groups_are_thirds_by_frequency() -> None:
    assert frequency_groups([5, 9, 1]) == {"head": [1], "medium": [0], "tail": [2]}
    assert frequency_groups([5, 9]) == {"head": [1], "tail": [0]}


def test_gini() -> None:
    assert gini([3, 3, 3, 3]) == 0
    assert gini([0, 0, 0, 8]) == pytest.approx(3 / 4)
    assert math.isnan(gini([0, 0]))
