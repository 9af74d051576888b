"""Recall-weighted focal loss against its slow reading: the product of its two weights."""

import copy
import math

import pytest
import torch

from lit_seg.losses import FocalLoss, RecallFocalLoss, RecallLoss
from tests.losses import oracle
from tests.losses import oracle_pixelwise as slow
from tests.losses.problems import PROBLEMS, draw, every_problem, value_and_grad

GAMMAS = [0.0, 0.5, 2.0, 5.0]


def stored(loss):
    """The stored recall as a list, None where no class was seen, as the oracle has it."""
    return [None if math.isnan(r) else r for r in loss.state.recall.tolist()]


def slow_step(logits, target, gamma, momentum=0.0, normalizer="valid", recall=None):
    """The loss of a training step and the recall after it, from the ``recall`` before it."""
    counts = oracle.misses_and_support(logits, target)
    recall = oracle.next_recall(recall or [None] * logits.shape[1], *counts, momentum)
    weights = oracle.recall_weights(recall)
    return slow.focal(logits, target, gamma, weights, normalizer), recall


@slow.both_normalizers
@pytest.mark.parametrize("gamma", GAMMAS)
@every_problem
def test_equals_the_slow_reading(name, gamma, normalizer):
    logits, target = PROBLEMS[name]
    loss = RecallFocalLoss([1] * logits.shape[1], gamma, normalizer=normalizer)
    want, recall = slow_step(logits, target, gamma, normalizer=normalizer)
    slow.assert_equals(loss, (logits, target), want)
    assert stored(loss) == pytest.approx(recall, abs=1e-12)
    assert loss.class_stats()["recall"] is loss.state.recall
    weights = oracle.recall_weights(recall)
    assert loss.class_stats()["weight"].tolist() == pytest.approx(weights, abs=1e-12)


@slow.both_normalizers
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
def test_steps_in_which_classes_come_and_go(momentum, normalizer):
    options = {"gamma": 1.0, "momentum": momentum, "normalizer": normalizer}
    loss, recall = RecallFocalLoss([1] * 4, **options), None
    for step, absent in enumerate([(1,), (), (0, 2), (1, 2, 3), ()]):
        logits, target = draw(20 + step, absent=absent, skill=step / 2)
        want, recall = slow_step(logits, target, recall=recall, **options)
        assert loss(logits, target).item() == pytest.approx(want, rel=1e-6)
        assert stored(loss) == pytest.approx(recall, abs=1e-12)


@slow.both_normalizers
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradient_is_the_slope(gamma, training, normalizer):
    """Recall has steps and no slope, so what is left is that of the focal factor."""
    loss = RecallFocalLoss([1] * 3, gamma, normalizer=normalizer)
    loss(*slow.SMALL)
    assert 0 < loss.weight.min() < loss.weight.max()
    assert slow.has_its_gradient(loss.train(training))


@slow.both_normalizers
def test_eval_uses_the_stored_recall_and_changes_nothing(normalizer):
    loss = RecallFocalLoss([1] * 4, momentum=0.5, normalizer=normalizer)
    loss(*draw(30, absent=(2,)))
    before = copy.deepcopy(loss.eval().state_dict())
    weights = oracle.recall_weights(stored(loss))
    assert weights[2] == 1  # never seen
    logits, target = draw(31, skill=-1)
    want = slow.focal(logits, target, 2, weights, normalizer)
    slow.assert_equals(loss, (logits, target), want)
    for name, tensor in loss.state_dict().items():
        assert tensor.numpy().tobytes() == before[name].numpy().tobytes(), name


@slow.both_normalizers
def test_gamma_zero_is_recall_loss(normalizer):
    problem = draw(32)
    loss = RecallFocalLoss([1] * 4, gamma=0.0, normalizer=normalizer)
    recall_loss = RecallLoss([1] * 4, normalizer=normalizer)
    pairs = zip(value_and_grad(loss, *problem), value_and_grad(recall_loss, *problem), strict=True)
    for ours, want in pairs:
        torch.testing.assert_close(ours, want)


def test_equal_recalls_are_focal_loss():
    """A common factor, which one of the normalisers cancels."""
    problem = draw(33)
    focal = FocalLoss([1] * 4)(*problem)
    for normalizer, factor in (("valid", 0.25), ("weight_sum", 1)):
        loss = RecallFocalLoss([1] * 4, normalizer=normalizer).eval()
        loss.state.recall.fill_(0.75)
        torch.testing.assert_close(loss(*problem), factor * focal)


@slow.both_normalizers
def test_given_weights_come_on_top(normalizer):
    logits, target = draw(34)
    loss = RecallFocalLoss([1] * 4, normalizer=normalizer)
    loss.set_class_weight(torch.tensor([2.0, 0.5, 1.0, 0.0]))
    own = oracle.recall_weights(slow_step(logits, target, 2)[1])
    want = slow.focal(logits, target, 2, own, normalizer, given=[2, 0.5, 1, 0])
    assert loss(logits, target).item() == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gamma": -0.5}, r"`gamma` must be a number in .*, got -0.5"),
        ({"momentum": 1.0}, r"`momentum` must be in \[0, 1\), got 1.0"),
        ({"normalizer": "mean"}, "`normalizer` must be 'valid' or 'weight_sum', got 'mean'"),
    ],
    ids=str,
)
def test_bad_hyperparameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        RecallFocalLoss([1, 1], **options)
