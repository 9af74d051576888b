"""Soft IoU, Dice and Tversky against the slow readings of their formulas and public code."""

import math

import pytest
import torch
import torch.nn.functional as F

from lit_seg.losses import SoftDiceLoss, SoftIoULoss, SoftTverskyLoss
from lit_seg.metrics.labels import VOID
from tests.losses import oracle_regions
from tests.losses.oracle_regions import mean_over_images, soft_dice, soft_iou, soft_tversky
from tests.losses.parity import (
    assert_as_published,
    grad_in_double,
    passes_gradcheck,
    published,
    slopes,
)
from tests.losses.problems import PROBLEMS, draw, every_problem, value_and_grad

LOSSES = [
    (SoftIoULoss, {}, soft_iou),
    (SoftDiceLoss, {}, soft_dice),
    (SoftTverskyLoss, {}, soft_tversky),
    (SoftTverskyLoss, {"fp_weight": 0.7, "fn_weight": 0.3}, soft_tversky),
    (SoftTverskyLoss, {"fp_weight": 0.0, "fn_weight": 1.0}, soft_tversky),
    (SoftTverskyLoss, {"fp_weight": 3.0, "fn_weight": 0.1}, soft_tversky),
]
every_overlap = pytest.mark.parametrize(
    ("cls", "options", "reading"),
    LOSSES,
    ids=[f"{cls.__name__}{list(options.values())}" for cls, options, _ in LOSSES],
)
HARD = {"SoftIoULoss": (1, 1), "SoftDiceLoss": (0.5, 0.5)}

FLOAT32 = 2**-23  # its spacing: what a rounded double may be off by


@pytest.mark.parametrize("training", [True, False])
@every_problem
@every_overlap
def test_equals_the_slow_reading(cls, options, reading, name, training):
    logits, target = PROBLEMS[name]
    loss = cls([1] * logits.shape[1], **options).train(training)
    want = reading(logits, target, **options)
    # abs: 1 - p of float32 where p is close to 1
    assert loss(logits, target).item() == pytest.approx(want, rel=1e-6, abs=1e-6)
    double = loss.loss(logits.double(), target).item()
    assert double == pytest.approx(want, rel=1e-12, abs=1e-12)


@every_problem
@every_overlap
def test_per_image_equals_the_slow_reading(cls, options, reading, name):
    logits, target = PROBLEMS[name]
    loss = cls([1] * logits.shape[1], per_image=True, **options)
    want = mean_over_images(reading, logits, target, **options)
    assert loss(logits, target).item() == pytest.approx(want, rel=1e-6, abs=1e-6)
    double = loss.loss(logits.double(), target).item()
    assert double == pytest.approx(want, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("cls", [SoftIoULoss, SoftDiceLoss, SoftTverskyLoss])
def test_image_of_void_does_not_count_as_perfect(cls):
    logits, target = draw(0, (3, 4, 5, 6))
    target[1] = VOID
    loss = cls([1] * 4, per_image=True)
    kept = [0, 2]
    torch.testing.assert_close(loss(logits, target), loss(logits[kept], target[kept]))


@pytest.mark.parametrize("per_image", [True, False])
@pytest.mark.parametrize(
    ("cls", "weight"), [(SoftDiceLoss, 0.5), (SoftIoULoss, 1.0)], ids=["dice", "iou"]
)
def test_dice_and_iou_are_cases_of_tversky(cls, weight, per_image):
    logits, target = draw(1, absent=(2,))
    own = value_and_grad(cls([1] * 4, per_image=per_image), logits, target)
    tversky = SoftTverskyLoss([1] * 4, weight, weight, per_image=per_image)
    assert all(map(torch.equal, own, value_and_grad(tversky, logits, target)))


@pytest.mark.parametrize("per_image", [True, False])
@pytest.mark.parametrize("seed", range(3))
@every_overlap
def test_sure_predictions_cost_the_hard_metric(cls, options, reading, seed, per_image):
    logits, target = draw(10 + seed, (3, 4, 5, 6), absent=(seed,))
    # so sure that the softmax is exactly 0 or 1
    sure = 1000.0 * F.one_hot(logits.argmax(1), 4).movedim(-1, 1)
    default = (0.3, 0.7)
    weights = HARD.get(cls.__name__, tuple(options.values()) or default)
    hard = dict(zip(("fp_weight", "fn_weight"), weights, strict=True))
    if per_image:
        want = mean_over_images(oracle_regions.hard_tversky, sure, target, **hard)
    else:
        want = oracle_regions.hard_tversky(sure, target, **hard)
    loss = cls([1] * 4, per_image=per_image, **options)
    assert loss(sure, target).item() == pytest.approx(want, rel=4 * FLOAT32)


def test_weights_are_not_swapped():
    """All called class 0, of which there is one pixel in five: it has no misses, 1 no wrong."""
    logits = torch.zeros(1, 2, 5)
    logits[:, 0] = 1000.0
    target = torch.tensor([[0, 1, 1, 1, 1]])
    for fp_weight in (0.1, 0.9):
        value = SoftTverskyLoss([1, 1], fp_weight, fn_weight=0.5)(logits, target).item()
        assert value == pytest.approx(1 - 1 / (1 + 4 * fp_weight) / 2, rel=1e-6)


@pytest.mark.parametrize("per_image", [True, False])
@every_overlap
def test_gradient(cls, options, reading, per_image):
    """By torch from the loss itself, and from the slow reading: gradcheck passes a wrong loss."""
    logits, target = draw(20, (3, 3, 2, 2))
    assert all((image != VOID).any() for image in target)

    def slow(moved):
        if per_image:
            return mean_over_images(reading, moved, target, **options)
        return reading(moved, target, **options)

    loss = cls([1] * 3, per_image=per_image, **options)
    assert passes_gradcheck(loss, logits, target)
    grad = grad_in_double(loss, logits, target)
    torch.testing.assert_close(grad, slopes(slow, logits), rtol=1e-8, atol=1e-10)


def test_large_images_keep_their_digits():
    """4 million pixels of one class: the float32 sum of .9 one by one would be 3 % off.

    Within 1e-5, as pairwise float32 sums are good to some 3e-7 of the sum, here nine times the
    loss.
    """
    logits = torch.zeros(1, 2, 2**22)
    logits[:, 0] = math.log(9)
    target = torch.zeros(1, 2**22, dtype=torch.long)
    assert SoftIoULoss([1, 1])(logits, target).item() == pytest.approx(0.1, rel=1e-5)


CASES = [
    (name, case) for name in ("soft_iou", "soft_dice", "soft_tversky") for case in published(name)
]


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}, {c.name}" for name, c in CASES])
def test_equals_the_published_code(name, case):
    counts = [1] * case.logits.shape[1]
    if name == "soft_tversky":
        loss = SoftTverskyLoss(counts, case.options["alpha"], case.options["beta"])
    else:
        loss = {"soft_iou": SoftIoULoss, "soft_dice": SoftDiceLoss}[name](counts)
    assert_as_published(loss, case)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fp_weight": -0.1}, r"`fp_weight` must be a number in .*, got -0.1"),
        ({"fp_weight": math.nan}, r"`fp_weight` must be a number in .*, got nan"),
        ({"fn_weight": 0.0}, r"`fn_weight` must be a number in .*, got 0.0"),
        ({"fn_weight": math.nan}, r"`fn_weight` must be a number in .*, got nan"),
    ],
    ids=str,
)
def test_bad_hyperparameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        SoftTverskyLoss([1, 1], **options)
