"""Class-balanced cross-entropy against its slow reading and the published code."""

import pytest
import torch

from lit_seg.losses import ClassBalancedLoss, ClassCounts, CrossEntropyLoss, InverseFrequencyLoss
from tests.losses import oracle
from tests.losses import oracle_pixelwise as slow
from tests.losses.problems import PROBLEMS, draw, every_problem, value_and_grad

PIXELS, IMAGES = [8000, 900, 70, 5], [20, 15, 6, 2]


@slow.both_normalizers
@pytest.mark.parametrize("options", [{}, {"beta": 0.999}, {"unit": "images"}], ids=str)
@every_problem
def test_equals_the_slow_reading(name, options, normalizer):
    logits, target = PROBLEMS[name]
    counts = ClassCounts(PIXELS, IMAGES).first(logits.shape[1])
    loss = ClassBalancedLoss(counts, normalizer=normalizer, **options)
    samples = counts.images if "unit" in options else counts.pixels
    weights = slow.class_balanced_weights(samples, options.get("beta"))
    want = oracle.weighted_cross_entropy(logits, target, weights, normalizer)
    slow.assert_equals(loss, (logits, target), want, max(weights))
    slow.assert_equals(loss.eval(), (logits, target), want, max(weights))
    assert loss.class_stats()["weight"].tolist() == pytest.approx(weights, rel=1e-12)


@slow.both_normalizers
def test_gradient_is_the_slope(normalizer):
    assert slow.has_its_gradient(ClassBalancedLoss(PIXELS[:3], normalizer=normalizer))


@slow.published("class_balanced")
def test_equals_the_published_code(case):
    """It ran in float32, so that its values have 7 digits; its weights have all."""
    loss = ClassBalancedLoss(case["counts"], **case["options"])
    assert loss.weight.tolist() == pytest.approx(case["weights"], rel=1e-11)
    slow.assert_is_published(loss, case, rel=1e-6)


@slow.published("class_balanced")
def test_published_beta_of_pixels_is_the_default(case):
    loss = ClassBalancedLoss(case["counts"])
    by_default = case["name"] == "beta (N-1)/N of pixel counts"
    assert (loss.weight.tolist() == pytest.approx(case["weights"], rel=1e-11)) == by_default


def test_beta_zero_is_cross_entropy():
    problem = draw(20)
    loss = ClassBalancedLoss(PIXELS, beta=0.0)
    assert torch.equal(loss(*problem), CrossEntropyLoss(PIXELS)(*problem))


def test_beta_towards_one_is_inverse_frequency():
    problem = draw(21)
    loss = ClassBalancedLoss(PIXELS, beta=1 - 1e-12, normalizer="weight_sum")
    inverse = InverseFrequencyLoss(PIXELS, normalizer="weight_sum")
    torch.testing.assert_close(loss(*problem), inverse(*problem))


def test_paper_beta_with_pixel_counts_is_warned_of():
    with pytest.warns(UserWarning, match="all alike with beta=0.9999 and counts of pixels"):
        ClassBalancedLoss([3_000_000, 1_000_000], beta=0.9999)


@slow.both_normalizers
def test_class_without_counts_gives_nothing(normalizer):
    logits, target = draw(22)
    counts = [900, 0, 20, 5]
    value, grad = value_and_grad(ClassBalancedLoss(counts, normalizer=normalizer), logits, target)
    weights = slow.class_balanced_weights(counts)
    want = oracle.weighted_cross_entropy(logits, target, weights, normalizer)
    assert value.item() == pytest.approx(want, rel=1e-6)
    assert not grad.movedim(1, -1)[target == 1].any()


@slow.both_normalizers
def test_given_weights_come_on_top(normalizer):
    logits, target = draw(23)
    loss = ClassBalancedLoss(PIXELS, normalizer=normalizer)
    loss.set_class_weight(torch.tensor([2.0, 0.5, 1.0, 0.0]))
    own = slow.class_balanced_weights(PIXELS)
    want = oracle.weighted_cross_entropy(logits, target, own, normalizer, given=[2, 0.5, 1, 0])
    assert loss(logits, target).item() == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beta": 1.0}, r"`beta` must be a number in .*, got 1.0"),
        ({"beta": -0.5}, r"`beta` must be a number in .*, got -0.5"),
        ({"unit": "objects"}, "`unit` must be 'pixels' or 'images', got 'objects'"),
        ({"unit": "images"}, "`unit` 'images' needs the images that contain each class"),
        ({"normalizer": "mean"}, "`normalizer` must be 'valid' or 'weight_sum', got 'mean'"),
    ],
    ids=str,
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ClassBalancedLoss([3, 2], **options)
