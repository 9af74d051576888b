"""Class-balanced focal loss against its slow reading and published code."""

import pytest
import torch

from lit_seg.losses import ClassBalancedFocalLoss, ClassBalancedLoss, ClassCounts, FocalLoss
from tests.losses import oracle_pixelwise as slow
from tests.losses.problems import PROBLEMS, draw, every_problem, value_and_grad

PIXELS, IMAGES = [8000, 900, 70, 5], [20, 15, 6, 2]
OPTIONS = [
    {},
    {"gamma": 0.0},
    {"gamma": 0.5, "beta": 0.999},
    {"gamma": 1.0, "unit": "images"},
    {"gamma": 5},
]


@slow.both_normalizers
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@every_problem
def test_equals_the_slow_reading(name, options, normalizer):
    logits, target = PROBLEMS[name]
    counts = ClassCounts(PIXELS, IMAGES).first(logits.shape[1])
    loss = ClassBalancedFocalLoss(counts, normalizer=normalizer, **options)
    samples = counts.images if "unit" in options else counts.pixels
    weights = slow.class_balanced_weights(samples, options.get("beta"))
    want = slow.focal(logits, target, options.get("gamma", 2), weights, normalizer)
    slow.assert_equals(loss, (logits, target), want, max(weights))
    slow.assert_equals(loss.eval(), (logits, target), want, max(weights))
    assert loss.class_stats()["weight"].tolist() == pytest.approx(weights, rel=1e-12)


@slow.both_normalizers
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_gradient_is_the_slope(gamma, normalizer):
    loss = ClassBalancedFocalLoss(PIXELS[:3], gamma=gamma, normalizer=normalizer)
    assert slow.has_its_gradient(loss)


@slow.published("cb_focal")
def test_equals_the_published_code(case):
    loss = ClassBalancedFocalLoss(case["counts"], **case["options"])
    slow.assert_is_published(loss, case)


@slow.published("cb_focal_sigmoid")
def test_original_is_another_loss(case):
    """One sigmoid per class: the same weights, and values that are clearly not ours."""
    options = {name: case["options"][name] for name in ("beta", "gamma")}
    loss = ClassBalancedFocalLoss(case["counts"], **options)
    assert loss.weight.tolist() == pytest.approx(case["weights"], rel=1e-11)
    assert loss(*slow.problem_of(case)).item() != pytest.approx(case["loss"], rel=0.05)


def test_gamma_zero_is_class_balanced():
    problem = draw(20)
    loss = ClassBalancedFocalLoss(PIXELS, gamma=0.0)
    torch.testing.assert_close(loss(*problem), ClassBalancedLoss(PIXELS)(*problem))


def test_equal_counts_are_focal():
    problem = draw(21)
    for normalizer in ("valid", "weight_sum"):
        loss = ClassBalancedFocalLoss([7] * 4, normalizer=normalizer)
        torch.testing.assert_close(loss(*problem), FocalLoss([7] * 4)(*problem))


def test_class_without_counts_gives_nothing():
    logits, target = draw(22)
    _, grad = value_and_grad(ClassBalancedFocalLoss([900, 0, 20, 5]), logits, target)
    assert not grad.movedim(1, -1)[target == 1].any()
    assert grad.movedim(1, -1)[target == 0].all()


@slow.both_normalizers
def test_given_weights_come_on_top(normalizer):
    logits, target = draw(23)
    loss = ClassBalancedFocalLoss(PIXELS, normalizer=normalizer)
    loss.set_class_weight(torch.tensor([2.0, 0.5, 1.0, 0.0]))
    own = slow.class_balanced_weights(PIXELS)
    want = slow.focal(logits, target, 2, own, normalizer, given=[2, 0.5, 1, 0])
    assert loss(logits, target).item() == pytest.approx(want, rel=1e-6)


def test_paper_beta_with_pixel_counts_is_warned_of():
    with pytest.warns(UserWarning, match="all alike with beta=0.9999 and counts of pixels"):
        ClassBalancedFocalLoss([3_000_000, 1_000_000], beta=0.9999)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gamma": -0.5}, r"`gamma` must be a number in .*, got -0.5"),
        ({"beta": 1.0}, r"`beta` must be a number in .*, got 1.0"),
        ({"unit": "objects"}, "`unit` must be 'pixels' or 'images', got 'objects'"),
        ({"unit": "images"}, "`unit` 'images' needs the images that contain each class"),
        ({"normalizer": "mean"}, "`normalizer` must be 'valid' or 'weight_sum', got 'mean'"),
    ],
    ids=str,
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ClassBalancedFocalLoss([3, 2], **options)
