"""Differences of scores, and how unevenly classes share the pixels, from numbers made by hand."""

import math

import numpy as np
import pytest

from lit_seg.metrics.frequency_groups import frequency_groups, gini
from lit_seg.metrics.scores import (
    STATS,
    class_scores,
    dice_error,
    dice_scores,
    score_differences,
)

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


def test_dice_is_twice_the_hits_over_both_sets() -> None:
    counts = np.array([[10, 9, 8], [10, 13, 10], [4, 2, 2], [0, 0, 0]])
    iou = class_scores(counts)[0]
    expected = [2 * both / (labelled + predicted) for labelled, predicted, both in counts[:3]]
    assert dice_scores(iou)[:3].tolist() == pytest.approx(expected)
    assert np.isnan(dice_scores(iou)[3])
    assert float(dice_error(iou)) == pytest.approx(3 - sum(expected))
