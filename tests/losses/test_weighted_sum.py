"""The weighted sum is the sum, and what it is told reaches all of its parts."""

import io
import math
from functools import partial

import pytest
import torch

from lit_seg.losses import (
    BalancedSoftmaxLoss,
    CrossEntropyLoss,
    DeferredReweightingLoss,
    FocalLoss,
    LDAMLoss,
    LovaszSoftmaxLoss,
    RecallLoss,
    SeesawLoss,
    SoftDiceLoss,
    WeightedSumLoss,
)
from tests.losses import oracle, oracle_logits, oracle_regions
from tests.losses.parity import agrees, both_precisions, passes_gradcheck
from tests.losses.problems import draw, value_and_grad

COUNTS = [90, 30, 10, 5]


@both_precisions
@pytest.mark.parametrize("factors", [None, [1.0, 1.0, 1.0], [0.5, 0.0, 3.0]], ids=str)
def test_equals_the_slow_reading(factors, dtype):
    logits, target = draw(0)
    loss = WeightedSumLoss(COUNTS, [CrossEntropyLoss, LovaszSoftmaxLoss, LDAMLoss], factors)
    values = [
        oracle.cross_entropy(logits, target),
        oracle_regions.lovasz_softmax(logits, target),
        oracle_logits.ldam(logits, target, COUNTS),
    ]
    want = sum(f * v for f, v in zip(factors or [1, 1, 1], values, strict=True))
    assert agrees(loss, logits, target, want, dtype)


@pytest.mark.parametrize("factors", [[1.0, 1.0], [0.5, 2.0], [1.0, 0.0]], ids=str)
def test_value_and_gradient_are_sums(factors):
    step = draw(1)
    losses = [RecallLoss, SoftDiceLoss]
    value, grad = value_and_grad(WeightedSumLoss(COUNTS, losses, factors), *step)
    values, grads = zip(*(value_and_grad(loss(COUNTS), *step) for loss in losses), strict=True)
    want = sum(f * v for f, v in zip(factors, values, strict=True))
    torch.testing.assert_close(value, want, rtol=1e-6, atol=0)
    want_grad = sum(f * g for f, g in zip(factors, grads, strict=True))
    torch.testing.assert_close(grad, want_grad, rtol=1e-6, atol=1e-8)


def test_one_loss_is_itself():
    step = draw(2)
    got = value_and_grad(WeightedSumLoss(COUNTS, [LDAMLoss]), *step)
    assert all(map(torch.equal, got, value_and_grad(LDAMLoss(COUNTS), *step)))


def test_gradient():
    logits, target = draw(3, (1, 4, 3, 4))
    loss = WeightedSumLoss(COUNTS, [FocalLoss, LovaszSoftmaxLoss], [2.0, 0.5])
    assert passes_gradcheck(loss, logits, target)


def test_counts_reach_all_parts():
    loss = WeightedSumLoss(COUNTS, [CrossEntropyLoss, SoftDiceLoss])
    assert [part.class_pixels.tolist() for part in loss.parts] == [COUNTS, COUNTS]


def test_progress_reaches_all_parts():
    early, late = (partial(DeferredReweightingLoss, loss=LDAMLoss, start=s) for s in (0.2, 0.7))
    loss = WeightedSumLoss(COUNTS, [early, late, early])
    for done, started in [
        (0.1, [False, False, False]),
        (0.2, [True, False, True]),
        (0.7, [True, True, True]),
    ]:
        loss.set_progress(done)
        assert [bool(part.started) for part in loss.parts] == started


def test_class_weights_reach_all_parts():
    step = draw(4)
    weight = torch.tensor([0.5, 1.0, 2.0, 4.0], dtype=torch.float64)
    losses = [CrossEntropyLoss, FocalLoss, RecallLoss]
    loss = WeightedSumLoss(COUNTS, losses)
    loss.set_class_weight(weight)
    want = 0
    for cls in losses:
        part = cls(COUNTS)
        part.set_class_weight(weight)
        want += part(*step)
    torch.testing.assert_close(loss(*step), want, rtol=1e-6, atol=0)


def test_a_part_without_class_weights_is_named():
    loss = WeightedSumLoss(COUNTS, [CrossEntropyLoss, SoftDiceLoss])
    with pytest.raises(ValueError, match=r"^SoftDiceLoss takes no class weights"):
        loss.set_class_weight(torch.ones(4))


def test_train_and_eval_reach_all_parts():
    logits, target = draw(5)
    loss = WeightedSumLoss(COUNTS, [BalancedSoftmaxLoss, BalancedSoftmaxLoss])
    want = 2 * oracle_logits.balanced_softmax(logits, target, COUNTS)
    assert agrees(loss, logits, target, want, torch.float64)
    want = 2 * oracle.cross_entropy(logits, target)
    assert agrees(loss.eval(), logits, target, want, torch.float64)


def test_state_of_all_parts_is_kept_and_saved():
    losses = [partial(RecallLoss, momentum=0.9), SeesawLoss, RecallLoss]
    loss, alone = WeightedSumLoss(COUNTS, losses), [make(COUNTS) for make in losses]
    for seed in (6, 7):
        step = draw(seed)
        loss(*step)
        for part in alone:
            part(*step)
    for part, single in zip(loss.parts, alone, strict=True):
        assert part.state_dict().keys() == single.state_dict().keys() != set()
        for name, tensor in part.state_dict().items():
            assert torch.equal(tensor, single.state_dict()[name])
    file = io.BytesIO()
    torch.save(loss.state_dict(), file)
    file.seek(0)
    resumed = WeightedSumLoss(COUNTS, losses)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    step = draw(8)
    assert torch.equal(resumed(*step), loss(*step))


def test_stats_are_those_of_all_parts():
    loss = WeightedSumLoss(COUNTS, [RecallLoss, SeesawLoss, LDAMLoss])
    loss(*draw(9))
    stats = loss.class_stats()
    assert stats.keys() == {"recall", "weight", "seen", "margin"}
    assert torch.equal(stats["seen"], loss.parts[1].seen)


def test_the_second_of_two_that_tell_the_same_has_its_number():
    loss = WeightedSumLoss(COUNTS, [partial(LDAMLoss, max_margin=m) for m in (0.1, 0.3)])
    stats = loss.class_stats()
    assert stats.keys() == {"margin", "margin_1"}
    assert stats["margin"].max() == pytest.approx(0.1)
    assert stats["margin_1"].max() == pytest.approx(0.3)


def test_sum_of_sums():
    logits, target = draw(10)
    inner = partial(WeightedSumLoss, losses=[CrossEntropyLoss, CrossEntropyLoss], factors=[1, 2])
    loss = WeightedSumLoss(COUNTS, [inner, CrossEntropyLoss], factors=[2, 5])
    want = 11 * oracle.cross_entropy(logits, target)
    assert agrees(loss, logits, target, want, torch.float64)


@pytest.mark.parametrize(
    ("losses", "factors", "message"),
    [
        ([], None, "`losses` must hold at least one loss"),
        ([CrossEntropyLoss], [1.0, 2.0], r"must be 1 numbers >= 0, .*, got \[1.0, 2.0\]"),
        ([CrossEntropyLoss] * 2, [1.0], r"must be 2 numbers >= 0, one per loss, got \[1.0\]"),
        ([CrossEntropyLoss] * 2, [], r"`factors` must be 2 numbers >= 0, one per loss, got \[\]"),
        ([CrossEntropyLoss], [-0.5], r"`factors` must be a number in .*, got -0.5"),
        ([CrossEntropyLoss], [math.nan], r"`factors` must be a number in .*, got nan"),
    ],
    ids=str,
)
def test_bad_hyperparameters_are_named(losses, factors, message):
    with pytest.raises(ValueError, match=message):
        WeightedSumLoss(COUNTS, losses, factors)
