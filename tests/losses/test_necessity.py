"""Section 3.3 of arXiv 2106.14917: why the weight is 1 - recall and no other metric."""

import pytest
import torch

from experiments.metric_weights import simulate
from lit_seg.losses import MetricWeightedLoss


@pytest.fixture(scope="module")
def ends():
    """Recall of the rare class and false positives per rare point after 100 steps, two seeds."""
    return {
        metric: torch.stack([simulate(metric, seed, steps=100)[-1] for seed in range(2)])
        for metric in ("none", "recall", "dice", "jaccard", "precision")
    }


def test_precision_weights_make_false_positives_explode(ends):
    """In every seed more than ten times recall's: most points are taken for the rare class."""
    _, recall = ends["recall"].unbind(-1)
    _, precision = ends["precision"].unbind(-1)
    assert (precision > 10 * recall).all()
    assert (precision > 25).all()  # of 50 frequent points per rare one


def test_recall_weights_find_the_rare_class_and_stay_bounded(ends):
    found, false = ends["recall"].unbind(-1)
    missed_by_ce, _ = ends["none"].unbind(-1)
    assert (found > missed_by_ce + 0.4).all()
    assert (false < 3).all()


def test_dice_and_jaccard_lie_between(ends):
    """They have false positives and misses in the numerator, and raise the former mildly."""
    for metric in ("dice", "jaccard"):
        false = ends[metric][:, 1]
        assert (false > ends["recall"][:, 1]).all()
        assert (false < ends["precision"][:, 1] / 5).all()


def test_more_false_positives_weigh_more_by_any_metric_but_recall():
    """Eq. 9: with hits and misses as they are, only false positives of class 0 are added."""
    weights = {}
    for metric in ("recall", "precision", "dice", "jaccard", "tversky"):
        for false in (0, 5):
            # class 0: 6 hits, 2 misses; class 1: 10 points, some of them taken for class 0
            label = torch.tensor([[0] * 8 + [1] * 10])
            predicted = torch.tensor([[0] * 6 + [1] * 2 + [0] * false + [1] * (10 - false)])
            logits = torch.nn.functional.one_hot(predicted, 2).movedim(-1, 1).float()
            loss = MetricWeightedLoss([8, 10], metric=metric)
            loss(logits, label)
            weights[metric, false] = loss.class_stats()["weight"][0].item()
    assert weights["recall", 5] == weights["recall", 0] == 2 / 8
    assert weights["precision", 0] == 0
    assert weights["precision", 5] == pytest.approx(5 / 11)
    for metric in ("dice", "jaccard", "tversky"):
        assert weights[metric, 5] > weights[metric, 0] > 0
