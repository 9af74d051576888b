"""Balanced softmax against the slow reading of its formula and the authors' code."""

import copy

import pytest
import torch

from lit_seg.losses import BalancedSoftmaxLoss, LogitAdjustmentLoss
from tests.losses import oracle, oracle_logits
from tests.losses.parity import (
    agrees,
    assert_as_published,
    both_precisions,
    counts_for,
    passes_gradcheck,
    published,
)
from tests.losses.problems import PROBLEMS, draw, every_problem, value_and_grad

CASES = list(published("balanced_softmax"))


@both_precisions
@every_problem
def test_equals_the_slow_reading(name, dtype):
    logits, target = PROBLEMS[name]
    counts = counts_for(logits)
    want = oracle_logits.balanced_softmax(logits, target, counts)
    assert agrees(BalancedSoftmaxLoss(counts), logits, target, want, dtype)


@both_precisions
@pytest.mark.parametrize("counts", [[90, 0, 10, 5], [0, 0, 0, 3 * 10**9]], ids=str)
def test_class_without_pixels_counts_as_one_pixel(counts, dtype):
    logits, target = draw(0)
    want = oracle_logits.balanced_softmax(logits, target, counts)
    assert agrees(BalancedSoftmaxLoss(counts), logits, target, want, dtype)


@both_precisions
def test_eval_is_plain_cross_entropy(dtype):
    logits, target = draw(1)
    loss = BalancedSoftmaxLoss([90, 30, 10, 5])
    want = oracle.cross_entropy(logits, target)
    assert not agrees(loss, logits, target, want, dtype)
    assert agrees(copy.copy(loss).eval(), logits, target, want, dtype)


def test_is_logit_adjustment_with_tau_one():
    logits, target = draw(2)
    balanced = value_and_grad(BalancedSoftmaxLoss([9, 0, 5, 1]), logits, target)
    adjusted = value_and_grad(LogitAdjustmentLoss([9, 0, 5, 1], tau=1.0), logits, target)
    assert all(map(torch.equal, balanced, adjusted))


def test_only_ratios_of_counts_matter():
    logits, target = draw(3)
    once, often = (BalancedSoftmaxLoss([k * n for n in (9, 4, 5, 1)]) for k in (1, 10**8))
    value = once.loss(logits.double(), target).item()
    assert often.loss(logits.double(), target).item() == pytest.approx(value, rel=1e-12)


def test_gradient():
    logits, target = draw(4, (1, 4, 3, 4))
    assert passes_gradcheck(BalancedSoftmaxLoss([90, 30, 0, 5]), logits, target)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_equals_the_published_code(case):
    """But for a class without pixels, which that code can never predict: here it counts as one."""
    if 0 not in case.counts:
        assert_as_published(BalancedSoftmaxLoss(case.counts), case)
        return
    value = BalancedSoftmaxLoss(case.counts).loss(case.logits, case.target).item()
    assert value > 1.001 * case.loss
    gone = case.counts.index(0)
    assert (case.target != gone).all()
    logits = case.logits.clone()
    logits[:, gone] = -torch.inf  # what a count of 0 does there
    value = BalancedSoftmaxLoss(case.counts).loss(logits, case.target).item()
    assert value == pytest.approx(case.loss, rel=1e-11)


def test_no_pixels_at_all():
    with pytest.raises(ValueError, match=r"`class_counts` must hold pixels .*, got \[0, 0\]"):
        BalancedSoftmaxLoss([0, 0])
