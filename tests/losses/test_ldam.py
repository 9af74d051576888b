"""LDAM against the slow reading of its formula and the authors' code."""

import math
from functools import partial

import pytest
import torch

from lit_seg.losses import DeferredReweightingLoss, LDAMLoss
from tests.losses import oracle, oracle_logits
from tests.losses.parity import (
    agrees,
    assert_as_published,
    both_precisions,
    counts_for,
    passes_gradcheck,
    published,
)
from tests.losses.problems import PROBLEMS, draw, every_problem

CASES = list(published("ldam"))
OPTIONS = [{}, {"max_margin": 0.0}, {"max_margin": 2.0, "scale": 1.0}, {"scale": 0.3}]


@both_precisions
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@every_problem
def test_equals_the_slow_reading(name, options, training, dtype):
    """Also in eval mode: the margin is part of the loss and not of the training."""
    logits, target = PROBLEMS[name]
    counts = counts_for(logits)
    loss = LDAMLoss(counts, **options).train(training)
    want = oracle_logits.ldam(logits, target, counts, **options)
    assert agrees(loss, logits, target, want, dtype, scale=max(loss.scale, 1))


@pytest.mark.parametrize(
    "counts", [[90, 30, 10, 5], [90, 0, 10, 5], [0, 0, 7, 0], [3 * 10**9, 1, 2**24 + 1, 0]], ids=str
)
def test_margins(counts):
    """The widest for the rarest class and, where the formula has none, for those without pixels."""
    loss = LDAMLoss(counts, max_margin=0.4)
    want = oracle_logits.margins(counts, 0.4)
    assert max(want) == pytest.approx(0.4, rel=1e-15)
    assert loss.class_stats()["margin"].tolist() == pytest.approx(want, rel=1e-12)


def test_huge_logits_are_compared_as_they_are():
    """Times the scale all three would be infinite."""
    logits = torch.tensor([[3e38, 2e38, -3e38]])
    values = [LDAMLoss([9, 1, 1])(logits, torch.tensor([label])).item() for label in range(3)]
    assert values == [0, math.inf, math.inf]
    # of these only the difference, times the scale, is a float
    value = LDAMLoss([9, 1, 1])(torch.tensor([[3e37, 2.9e37, 0.0]]), torch.tensor([1])).item()
    assert value == pytest.approx(20 * 1e36, rel=1e-3)


@both_precisions
def test_class_without_pixels(dtype):
    logits, target = draw(0)
    counts = [90, 0, 10, 5]
    want = oracle_logits.ldam(logits, target, counts)
    assert agrees(LDAMLoss(counts), logits, target, want, dtype, scale=20)


def test_no_margin_is_cross_entropy_of_sharper_logits():
    logits, target = draw(1)
    value = LDAMLoss([9, 1, 1, 1], max_margin=0.0, scale=3.0).loss(logits.double(), target).item()
    assert value == pytest.approx(oracle.cross_entropy(3 * logits.double(), target), rel=1e-12)


@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_gradient(scale):
    logits, target = draw(2, (1, 4, 3, 4))
    assert passes_gradcheck(LDAMLoss([90, 30, 0, 5], scale=scale), logits, target)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_equals_the_published_code(case):
    """Its class weights are those of deferred re-weighting, which divides by them as well."""
    loss = partial(LDAMLoss, max_margin=case.options["max_m"], scale=case.options["s"])
    if "beta" in case.options:
        loss = DeferredReweightingLoss(case.counts, loss, start=0.0, beta=case.options["beta"])
        stats = loss.class_stats()
        assert stats["weight"].tolist() == pytest.approx(case.all["weights"], rel=1e-10)
    else:
        loss = loss(case.counts)
        stats = loss.class_stats()
    assert stats["margin"].tolist() == pytest.approx(case.all["margins"], rel=1e-11)
    assert_as_published(loss, case)


def test_one_published_case_is_re_weighted():
    assert sum("beta" in case.options for case in CASES) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_margin": -0.1}, r"`max_margin` must be a number in .*, got -0.1"),
        ({"max_margin": math.nan}, r"`max_margin` must be a number in .*, got nan"),
        ({"scale": 0.0}, r"`scale` must be a number in .*, got 0.0"),
        ({"scale": -1.0}, r"`scale` must be a number in .*, got -1.0"),
        ({"scale": math.nan}, r"`scale` must be a number in .*, got nan"),
    ],
    ids=str,
)
def test_bad_hyperparameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        LDAMLoss([1, 1], **options)


def test_no_pixels_at_all():
    with pytest.raises(ValueError, match=r"`class_counts` must hold pixels .*, got \[0, 0\]"):
        LDAMLoss([0, 0])


def test_margin_reaches_only_the_true_class():
    """By hand: class 0 is 16 times as frequent, so its margin is half of the other's."""
    loss = LDAMLoss([160, 10], max_margin=0.5, scale=2.0)
    for label, margin in enumerate([0.25, 0.5]):
        value = loss(torch.zeros(1, 2), torch.tensor([label])).item()
        assert value == pytest.approx(math.log(1 + math.exp(2 * margin)), rel=1e-6)
