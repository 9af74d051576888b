"""Focal loss against its slow reading, published code and a table of the PAT paper."""

import itertools
import math

import pytest
import torch

from lit_seg.losses import CrossEntropyLoss, FocalLoss
from tests.losses import oracle_pixelwise as slow
from tests.losses.problems import PROBLEMS, draw, every_problem, value_and_grad

GAMMAS = [0.0, 0.5, 1.0, 2.0, 5.0]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("gamma", GAMMAS)
@every_problem
def test_equals_the_slow_reading(name, gamma, training):
    logits, target = PROBLEMS[name]
    loss = FocalLoss([1] * logits.shape[1], gamma).train(training)
    slow.assert_equals(loss, (logits, target), slow.focal(logits, target, gamma))


@pytest.mark.parametrize("gamma", GAMMAS)
def test_gradient_is_the_slope(gamma):
    """Of the factor as well."""
    assert slow.has_its_gradient(FocalLoss([1] * 3, gamma))


@slow.published("focal_smp")
def test_equals_the_published_code(case):
    loss = FocalLoss([1] * case["shape"][1], **case["options"])
    slow.assert_is_published(loss, case)


@pytest.mark.parametrize(
    ("gamma", "printed"),
    [
        (2.0, "1.03 0.59 0.33 0.17 0.08 0.03 0.01 0.00"),
        (5.0, "0.53 0.20 0.07 0.02 0.01 0.00 0.00 0.00"),
    ],
)
def test_table_1_of_the_pat_paper(gamma, printed):
    """For p = .2 to .9."""
    loss = FocalLoss([1] * 2, gamma)
    values = []
    for p in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        logits = torch.tensor([[math.log(p), math.log(1 - p)]])
        values.append(f"{loss(logits, torch.tensor([0])).item():.2f}")
    assert " ".join(values) == printed


def test_gamma_zero_is_cross_entropy():
    problem = draw(20)
    loss, ce = FocalLoss([1] * 4, gamma=0.0), CrossEntropyLoss([1] * 4)
    for ours, want in zip(
        value_and_grad(loss, *problem), value_and_grad(ce, *problem), strict=True
    ):
        torch.testing.assert_close(ours, want)


def test_a_larger_gamma_costs_less():
    problem = draw(21)
    values = [FocalLoss([1] * 4, gamma)(*problem).item() for gamma in GAMMAS]
    assert all(more > 1.05 * less for more, less in itertools.pairwise(values))


@pytest.mark.parametrize("num_classes", [2, 7])
def test_no_idea_at_all(num_classes):
    value = FocalLoss([1] * num_classes)(torch.zeros(3, num_classes), torch.tensor([0, 1, 255]))
    assert value.item() == pytest.approx((1 - 1 / num_classes) ** 2 * math.log(num_classes))


@pytest.mark.parametrize("gamma", GAMMAS)
def test_sure_pixels_have_a_finite_gradient(gamma):
    """Where 1 - p rounds to 0 a root has an infinite slope."""
    logits = torch.tensor([[30.0, 0.0], [200.0, 0.0], [1e4, 0.0], [0.0, 1e4]])
    value, grad = value_and_grad(
        FocalLoss([1] * 2, gamma), logits, torch.zeros(4, dtype=torch.long)
    )
    assert value.item() == pytest.approx(2500)
    assert grad[:3].abs().max() < 1e-6
    assert grad[3].tolist() == pytest.approx([-0.25, 0.25])


def test_sure_pixels_keep_their_digits():
    """1 - p is .001 here, which 1 - exp(log p) gives to five digits in float32."""
    problem = torch.tensor([[0.0, math.log(math.expm1(1e-3))]]), torch.tensor([0])
    nll = CrossEntropyLoss([1] * 2)(*problem).item()
    want = -math.expm1(-nll) * nll
    assert FocalLoss([1] * 2, gamma=1.0)(*problem).item() == pytest.approx(want, rel=1e-6)


def test_given_weights_weigh_the_pixels():
    """In the sum and in what divides it, however that is normalised."""
    logits, target = draw(22)
    loss = FocalLoss([1] * 4)
    loss.set_class_weight(torch.tensor([2.0, 0.5, 1.0, 0.0]))
    for normalizer in ("valid", "weight_sum"):
        loss.normalizer = normalizer
        want = slow.focal(logits, target, 2, None, normalizer, given=[2, 0.5, 1, 0])
        assert loss(logits, target).item() == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("gamma", [-1, -0.01, math.nan])
def test_bad_gamma_is_named(gamma):
    with pytest.raises(ValueError, match=rf"`gamma` must be a number in .*, got {gamma}"):
        FocalLoss([1, 1], gamma)
