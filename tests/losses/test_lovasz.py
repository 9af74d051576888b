"""Lovász-softmax against the paper's definition by sets and its author's code."""

import pytest
import torch
import torch.nn.functional as F

from lit_seg.losses import LovaszSoftmaxLoss
from lit_seg.metrics.labels import VOID
from tests.losses import oracle_regions
from tests.losses.parity import (
    agrees,
    assert_as_published,
    both_precisions,
    grad_in_double,
    passes_gradcheck,
    published,
    slopes,
)
from tests.losses.problems import PROBLEMS, draw, every_problem, value_and_grad

# ours has the mean over the classes present only, as is the default there
CASES = [case for case in published("lovasz") if case.options["classes"] == "present"]


@both_precisions
@pytest.mark.parametrize("training", [True, False])
@every_problem
def test_equals_the_slow_reading(name, training, dtype):
    logits, target = PROBLEMS[name]
    loss = LovaszSoftmaxLoss([1] * logits.shape[1]).train(training)
    want = oracle_regions.lovasz_softmax(logits, target)
    assert agrees(loss, logits, target, want, dtype)


@both_precisions
@every_problem
def test_per_image_equals_the_slow_reading(name, dtype):
    logits, target = PROBLEMS[name]
    loss = LovaszSoftmaxLoss([1] * logits.shape[1], per_image=True)
    want = oracle_regions.mean_over_images(oracle_regions.lovasz_softmax, logits, target)
    assert agrees(loss, logits, target, want, dtype)


def test_image_of_void_does_not_count_as_perfect():
    logits, target = draw(0, (3, 4, 5, 6))
    target[1] = VOID
    loss = LovaszSoftmaxLoss([1] * 4, per_image=True)
    kept = [0, 2]
    torch.testing.assert_close(loss(logits, target), loss(logits[kept], target[kept]))


@pytest.mark.parametrize("per_image", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_sure_predictions_cost_one_minus_mean_iou(seed, per_image):
    """What makes it a surrogate: at the corners the extension is the Jaccard loss itself."""
    logits, target = draw(10 + seed, (3, 4, 5, 6), absent=(seed,))
    # so sure that the softmax is exactly 0 or 1
    sure = 1000.0 * F.one_hot(logits.argmax(1), 4).movedim(-1, 1)
    options = {"fp_weight": 1, "fn_weight": 1}
    if per_image:
        hard = oracle_regions.hard_tversky
        want = oracle_regions.mean_over_images(hard, sure, target, **options)
    else:
        want = oracle_regions.hard_tversky(sure, target, **options)
    loss = LovaszSoftmaxLoss([1] * 4, per_image=per_image)
    assert agrees(loss, sure, target, want, torch.float64)
    assert loss(sure, target).item() == pytest.approx(want, rel=1e-6)


def test_ties_have_a_value():
    """Where all errors are equal: 1/2, whatever their order, times the Jaccard loss of all."""
    value = LovaszSoftmaxLoss([1, 1])(torch.zeros(1, 2, 5), torch.tensor([[0, 0, 1, 1, VOID]]))
    assert value.item() == 0.5


@pytest.mark.parametrize("per_image", [True, False])
def test_gradient(per_image):
    """By torch from the loss itself, and from the slow reading: gradcheck passes a wrong loss."""
    logits, target = draw(20, (2, 3, 2, 4))
    loss = LovaszSoftmaxLoss([1] * 3, per_image=per_image)
    assert passes_gradcheck(loss, logits, target)

    def reading(moved):
        if per_image:
            return oracle_regions.mean_over_images(oracle_regions.lovasz_softmax, moved, target)
        return oracle_regions.lovasz_softmax(moved, target)

    grad = grad_in_double(loss, logits, target)
    torch.testing.assert_close(grad, slopes(reading, logits), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_equals_the_published_code(case):
    loss = LovaszSoftmaxLoss([1] * case.logits.shape[1], per_image=case.options["per_image"])
    assert_as_published(loss, case)


def test_published_cases_are_many():
    assert len(CASES) == 4
    assert {case.options["per_image"] for case in CASES} == {True, False}


@pytest.mark.parametrize("share", [1e-4, 1e-2])
def test_large_images_keep_their_digits(share):
    """A product of vectors in float32 adds one by one: it was 4e-4 off at 8 million pixels."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(1, 2, 1_000_000, generator=generator)
    target = (torch.rand(1, 1_000_000, generator=generator) < share).long()
    loss = LovaszSoftmaxLoss([1, 1])
    value, grad = value_and_grad(loss, logits, target)
    want, want_grad = value_and_grad(loss.loss, logits.double(), target)
    assert value.item() == pytest.approx(want.item(), rel=1e-6)
    assert (grad - want_grad).abs().sum() < 1e-5 * want_grad.abs().sum()
