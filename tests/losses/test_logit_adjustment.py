"""Logit adjustment against the slow reading of its formula and the authors' code."""

import math

import pytest
import torch

from lit_seg.losses import LogitAdjustmentLoss, post_hoc_adjusted
from tests.losses import oracle, oracle_logits
from tests.losses.parity import (
    agrees,
    both_precisions,
    counts_for,
    passes_gradcheck,
    published,
)
from tests.losses.problems import PROBLEMS, draw, every_problem

CASES = list(published("logit_adjustment"))


@both_precisions
@pytest.mark.parametrize("tau", [0.0, 0.25, 1.0, 2.0])
@every_problem
def test_equals_the_slow_reading(name, tau, dtype):
    logits, target = PROBLEMS[name]
    counts = counts_for(logits)
    want = oracle_logits.logit_adjustment(logits, target, counts, tau)
    assert agrees(LogitAdjustmentLoss(counts, tau), logits, target, want, dtype)


@both_precisions
def test_eval_is_plain_cross_entropy(dtype):
    logits, target = draw(0)
    loss = LogitAdjustmentLoss([90, 30, 10, 5]).eval()
    assert agrees(loss, logits, target, oracle.cross_entropy(logits, target), dtype)


@both_precisions
def test_counts_as_large_as_a_dataset(dtype):
    logits, target = draw(1)
    counts = [3 * 10**9, 2 * 10**7 + 1, 1000, 1]
    want = oracle_logits.logit_adjustment(logits, target, counts)
    assert agrees(LogitAdjustmentLoss(counts), logits, target, want, dtype)


@pytest.mark.parametrize("counts", [[90, 0, 10, 5], [0, 0, 0, 5], [0, 1, 0, 0]], ids=str)
def test_class_without_pixels_counts_as_one_pixel(counts):
    """Though there are pixels of it in the batch: a log of 0 would make them cost infinity."""
    logits, target = draw(2)
    want = oracle_logits.logit_adjustment(logits, target, counts)
    assert math.isfinite(want)
    assert agrees(LogitAdjustmentLoss(counts), logits, target, want, torch.float64)


def test_gradient():
    logits, target = draw(3, (1, 4, 3, 4))
    assert passes_gradcheck(LogitAdjustmentLoss([90, 30, 0, 5], tau=0.7), logits, target)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_equals_the_published_code(case):
    """It ran in float32: 1e-6 of the value, and of the largest term in a gradient."""
    loss = LogitAdjustmentLoss(case.counts, tau=case.options["tau"])
    assert loss.loss(case.logits, case.target).item() == pytest.approx(case.loss, rel=1e-6)
    logits = case.logits.clone().requires_grad_()
    (grad,) = torch.autograd.grad(loss.loss(logits, case.target), logits)
    largest = 1 / case.target.numel()
    torch.testing.assert_close(grad, case.grad, rtol=0, atol=1e-6 * largest)


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("counts", [[90, 30, 10, 5], [90, 0, 10, 5]], ids=str)
def test_post_hoc_takes_out_the_prior(tau, counts):
    for shape in [(20, 4), (2, 4, 9), (2, 4, 5, 6)]:
        logits = draw(4, shape)[0].double()
        adjusted = post_hoc_adjusted(logits, counts, tau)
        assert adjusted.shape == logits.shape
        rows = zip(
            adjusted.movedim(1, -1).reshape(-1, 4).tolist(),
            logits.movedim(1, -1).reshape(-1, 4).tolist(),
            strict=True,
        )
        prior = oracle_logits.log_prior(counts)
        for got, scores in rows:
            want = [s - tau * p for s, p in zip(scores, prior, strict=True)]
            assert got == pytest.approx(want, rel=1e-12, abs=1e-12)


def test_post_hoc_undoes_the_adjustment_in_training():
    """Training on z + τ log π is cross-entropy of the adjusted logits, and post hoc is its inverse.

    So the two must share one prior: logits adjusted post hoc cost in training what plain
    cross-entropy says of the logits before.
    """
    logits, target = draw(5)
    counts = [90, 30, 0, 5]
    back = post_hoc_adjusted(logits.double(), counts, tau=1.5)
    value = LogitAdjustmentLoss(counts, tau=1.5).loss(back, target).item()
    assert value == pytest.approx(oracle.cross_entropy(logits, target), rel=1e-12)


def test_post_hoc_helps_the_rare_class():
    logits = torch.tensor([[1.0, 0.0]])
    assert post_hoc_adjusted(logits, [99, 1]).argmax(1).item() == 1
    assert post_hoc_adjusted(logits, [99, 1], tau=0.1).argmax(1).item() == 0
    assert post_hoc_adjusted(logits, [1, 99]).argmax(1).item() == 0


def test_post_hoc_keeps_the_dtype():
    assert (
        post_hoc_adjusted(torch.zeros(1, 2, dtype=torch.bfloat16), [3, 1]).dtype == torch.bfloat16
    )


@pytest.mark.parametrize("tau", [-0.1, math.nan])
def test_bad_tau_is_named(tau):
    with pytest.raises(ValueError, match=rf"`tau` must be a number in .*, got {tau}"):
        LogitAdjustmentLoss([1, 1], tau=tau)


def test_no_pixels_at_all():
    with pytest.raises(ValueError, match=r"`class_counts` must hold pixels .*, got \[0, 0\]"):
        LogitAdjustmentLoss([0, 0])
