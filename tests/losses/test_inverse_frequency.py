"""Cross-entropy with frequency weights against the slow reading of Eq. 2."""

import math

import pytest
import torch

from lit_seg.losses import ClassCounts, CrossEntropyLoss, InverseFrequencyLoss
from tests.losses import oracle
from tests.losses import oracle_pixelwise as slow
from tests.losses.problems import PROBLEMS, draw, every_problem, value_and_grad

SCHEMES = ["inverse", "sqrt_inverse", "median", "segnet", "enet"]


def counts_for(num_classes):
    """Halved from class to class: pixels, images and the pixels of those images."""
    pixels = [8000 // 2**c for c in range(num_classes)]
    return ClassCounts(pixels, [9] * num_classes, [20_000 - 3000 * c for c in range(num_classes)])


def oracle_weights(counts, scheme):
    return slow.frequency_weights(counts.pixels, scheme, counts.image_pixels)


@slow.both_normalizers
@pytest.mark.parametrize("scheme", SCHEMES)
@every_problem
def test_equals_the_slow_reading(name, scheme, normalizer):
    logits, target = PROBLEMS[name]
    counts = counts_for(logits.shape[1])
    loss = InverseFrequencyLoss(counts, scheme, normalizer)
    weights = oracle_weights(counts, scheme)
    want = oracle.weighted_cross_entropy(logits, target, weights, normalizer)
    slow.assert_equals(loss, (logits, target), want, max(weights))
    slow.assert_equals(loss.eval(), (logits, target), want, max(weights))
    assert loss.class_stats()["weight"].tolist() == pytest.approx(weights, rel=1e-12)


@slow.both_normalizers
@pytest.mark.parametrize("scheme", SCHEMES)
def test_gradient_is_the_slope(scheme, normalizer):
    assert slow.has_its_gradient(InverseFrequencyLoss(counts_for(3), scheme, normalizer))


def test_every_class_has_the_same_share():
    """Eq. 2: with the counts of the batch, the mean over classes of -log geometric mean of p."""
    logits, target = draw(20)
    pixels = oracle.valid_pixels(logits, target)
    probabilities = [
        [math.exp(-oracle.nll(s, c)) for s, y in pixels if y == c] for c in (0, 1, 2, 3)
    ]
    want = -sum(math.log(math.prod(p) ** (1 / len(p))) for p in probabilities) / 4
    value = InverseFrequencyLoss([len(p) for p in probabilities])(logits, target)
    assert len({len(p) for p in probabilities}) > 1
    assert value.item() == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_equal_counts_are_cross_entropy(scheme):
    """Up to the factor of ENet, and of SegNet's images, which weight_sum cancels."""
    problem = draw(21)
    loss = InverseFrequencyLoss(ClassCounts([5] * 4, [1] * 4, [9] * 4), scheme, "weight_sum")
    torch.testing.assert_close(loss(*problem), CrossEntropyLoss([1] * 4)(*problem))


def test_median_is_inverse_up_to_a_factor():
    """Which sets the normalisers apart: one of them cancels it."""
    problem, counts = draw(22), [900, 300, 20, 5]
    inverse, median = (
        {n: InverseFrequencyLoss(counts, scheme, n)(*problem) for n in ("valid", "weight_sum")}
        for scheme in ("inverse", "median")
    )
    torch.testing.assert_close(inverse["weight_sum"], median["weight_sum"])
    factor = slow.frequency_weights(counts, "median")[0]
    factor /= slow.frequency_weights(counts, "inverse")[0]
    torch.testing.assert_close(factor * inverse["valid"], median["valid"])


def test_weight_sum_is_what_torch_does():
    logits, target = draw(23)
    loss = InverseFrequencyLoss([900, 300, 20, 5], normalizer="weight_sum")
    want = torch.nn.CrossEntropyLoss(loss.weight.float(), ignore_index=oracle.VOID)(logits, target)
    torch.testing.assert_close(loss(logits, target), want)


@slow.both_normalizers
def test_class_without_counts_gives_nothing(normalizer):
    logits, target = draw(24)
    counts = [900, 0, 20, 5]
    value, grad = value_and_grad(
        InverseFrequencyLoss(counts, normalizer=normalizer), logits, target
    )
    weights = slow.frequency_weights(counts, "inverse")
    want = oracle.weighted_cross_entropy(logits, target, weights, normalizer)
    assert value.item() == pytest.approx(want, rel=1e-6)
    assert not grad.movedim(1, -1)[target == 1].any()
    assert grad.movedim(1, -1)[target == 0].all()


@slow.both_normalizers
def test_only_classes_without_counts_give_zero(normalizer):
    """The sum of the weights is 0: neither NaN, nor without a graph."""
    logits, target = draw(25, absent=(0, 1, 3))
    loss = InverseFrequencyLoss([9, 9, 0, 9], normalizer=normalizer)
    value, grad = value_and_grad(loss, logits, target)
    assert value == 0
    assert not grad.any()


@slow.both_normalizers
def test_given_weights_come_on_top(normalizer):
    logits, target = draw(26)
    loss = InverseFrequencyLoss([900, 300, 20, 5], normalizer=normalizer)
    loss.set_class_weight(torch.tensor([2.0, 0.5, 1.0, 0.0]))
    own = slow.frequency_weights([900, 300, 20, 5], "inverse")
    want = oracle.weighted_cross_entropy(logits, target, own, normalizer, given=[2, 0.5, 1, 0])
    assert loss(logits, target).item() == pytest.approx(want, rel=1e-6)
    assert loss.class_stats()["weight"].tolist() == pytest.approx(
        [2 * own[0], own[1] / 2, own[2], 0]
    )


def test_weights_stay_exact_in_a_half_precision_model():
    loss = InverseFrequencyLoss([900, 300, 20, 5]).to(torch.bfloat16)
    want = slow.frequency_weights([900, 300, 20, 5], "inverse")
    assert loss.weight.tolist() == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize(
    ("counts", "options", "message"),
    [
        ([1, 1], {"scheme": "log"}, "`scheme` must be 'inverse', .*, got 'log'"),
        ([1, 1], {"normalizer": "mean"}, "`normalizer` must be .* 'weight_sum', got 'mean'"),
        ([1, 1], {"scheme": "segnet"}, "`scheme` 'segnet' needs the pixels of the images"),
        ([0, 0], {}, r"`class_counts` must hold pixels of some class, got \[0, 0\]"),
    ],
    ids=str,
)
def test_bad_arguments_are_named(counts, options, message):
    with pytest.raises(ValueError, match=message):
        InverseFrequencyLoss(counts, **options)
