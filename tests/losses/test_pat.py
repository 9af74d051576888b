"""Pixel-wise adaptive training against its slow reading, its paper's table and its code."""

import math

import pytest
import torch

from lit_seg.losses import CrossEntropyLoss, PATLoss
from lit_seg.metrics.labels import VOID
from tests.losses import oracle
from tests.losses import oracle_pixelwise as slow
from tests.losses.problems import PROBLEMS, draw, every_problem, value_and_grad

OPTIONS = [
    {},
    {"temperature": 0.5, "epsilon": 0.3},
    {"weight_form": "reciprocal", "temperature": 2.0},
    {"weight_form": "reciprocal", "temperature": 5.0, "epsilon": 0.1},
    {"weight_form": "inap"},
    {"weight_form": "ina"},
]
every_form = pytest.mark.parametrize("options", OPTIONS, ids=str)
every_divisor = pytest.mark.parametrize("divide_by", ["mask", "pixels", "logits"])


def fresh(logits, **options):
    return PATLoss([1] * logits.shape[1], **options)


@every_divisor
@every_form
@every_problem
def test_equals_the_slow_reading(name, options, divide_by):
    logits, target = PROBLEMS[name]
    want = slow.pat(logits, target, divide_by=divide_by, **options)
    loss = fresh(logits, divide_by=divide_by, **options)
    # of the largest weight, e^C / 2, and the pixels of a mask come in the place of their mean
    slow.assert_equals(loss, (logits, target), want, 30)
    assert torch.equal(loss.eval()(logits, target), loss.train()(logits, target))
    detached = fresh(logits, divide_by=divide_by, detach=True, **options)
    assert torch.equal(detached(logits, target), loss(logits, target))


@every_divisor
@every_form
def test_gradient_is_the_slope(options, divide_by):
    """Of the weight as well."""
    assert slow.has_its_gradient(fresh(slow.SMALL[0], divide_by=divide_by, **options))


@every_divisor
@every_form
def test_detached_weights_are_constants_for_the_gradient(options, divide_by):
    options = {"divide_by": divide_by, **options}
    want = slow.frozen_gradient(slow.pat_pixels(*slow.SMALL, **options))
    detached, attached = (
        slow.gradient_of(fresh(slow.SMALL[0], detach=detach, **options), slow.SMALL)
        for detach in (True, False)
    )
    for ours, other, row in zip(detached, attached, want, strict=True):
        assert ours == pytest.approx(row, rel=1e-12, abs=1e-15)
        assert other != pytest.approx(row, rel=1e-3)


@slow.published("pat_code")
def test_equals_the_published_code(case):
    """Which divides the logits by the temperature, and knows no mask sizes."""
    form = {"INAP": "inap", "INA": "ina"}[case["options"]["form"]]
    loss = PATLoss([1] * case["shape"][1], weight_form=form, divide_by="logits")
    slow.assert_is_published(loss, case, scale=1 / case["options"]["tau"])


@pytest.mark.parametrize(
    ("temperature", "weight_form", "printed"),
    [
        (2.0, "reciprocal", "1.08 0.85 0.68 0.54 0.42 0.31 0.20 0.10"),
        (5.0, "reciprocal", "1.37 1.05 0.81 0.63 0.47 0.34 0.21 0.10"),
        (2.0, "paper", "2.40 1.71 1.24 0.89 0.62 0.41 0.25 0.11"),
        (5.0, "paper", "1.89 1.38 1.03 0.77 0.55 0.38 0.23 0.11"),
    ],
)
def test_table_1_of_the_paper(temperature, weight_form, printed):
    """For p = .2 to .9 it prints the reciprocal of its Eq. 5, which gives the last two rows."""
    loss = PATLoss([1] * 2, temperature, weight_form=weight_form)
    values = []
    for p in (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        logits = torch.tensor([[math.log(p), math.log(1 - p)]])
        values.append(f"{loss(logits, torch.tensor([0])).item():.2f}")
    assert " ".join(values) == printed


@every_form
def test_factors_of_confidences(options):
    confidences = [1e-6, 0.1, 0.5, 0.9, 0.999999, 1.0]
    nll = -torch.tensor(confidences, dtype=torch.float64).log()
    factors = PATLoss([1] * 4, **options).factors(nll)
    want = [slow.pat_factor(1 - p, 4, **options) for p in confidences]
    assert factors.tolist() == pytest.approx(want, rel=1e-9)


def test_low_confidence_weighs_more_and_by_the_reciprocal_less():
    """The text of the paper against its table."""
    nll = torch.linspace(0, 5, 9, dtype=torch.float64)
    paper, reciprocal = (
        PATLoss([1] * 2, 3.0, weight_form=form).factors(nll) for form in ("paper", "reciprocal")
    )
    assert paper.diff().min() > 0
    assert reciprocal.diff().max() < 0
    torch.testing.assert_close(paper * reciprocal, torch.ones_like(paper))
    assert paper[0] == 1  # a sure pixel, without epsilon


def test_epsilon_is_one_common_factor():
    problem = draw(20)
    value = PATLoss([1] * 4, 2.0)(*problem)
    with_epsilon = PATLoss([1] * 4, 2.0, epsilon=0.5)(*problem)
    torch.testing.assert_close(with_epsilon, math.exp(-0.25) * value)


def test_infinite_temperature_is_the_mean_over_masks():
    """Each class that an image shows weighs the same, however small."""
    logits, target = draw(21, (3, 4, 5, 6))
    total = 0.0
    for i in range(3):
        for label in range(4):
            pixels = oracle.valid_pixels(logits[i : i + 1], target[i : i + 1])
            mask = [oracle.nll(s, y) for s, y in pixels if y == label]
            total += sum(mask) / len(mask) if mask else 0
    for temperature, rel in ((1e9, 1e-6), (math.inf, 1e-6)):
        value = PATLoss([1] * 4, temperature)(logits, target).item()
        assert value == pytest.approx(total / 3, rel=rel)


def test_infinite_temperature_without_masks_is_cross_entropy():
    problem = draw(22)
    value = PATLoss([1] * 4, 1e9, divide_by="pixels")(*problem)
    torch.testing.assert_close(value, CrossEntropyLoss([1] * 4)(*problem))


@every_form
def test_divisors_differ_by_the_number_of_logits(options):
    problem = draw(23)
    pixels, logits = (
        PATLoss([1] * 4, divide_by=by, **options)(*problem) for by in ("pixels", "logits")
    )
    torch.testing.assert_close(pixels, 4 * logits)


def test_larger_masks_weigh_the_same():
    """Every pixel of class 0 four times over: only the means over all pixels notice."""
    logits, target = draw(24, (1, 4, 30))
    twice = torch.cat([torch.arange(30), *[torch.arange(30)[target[0] == 0]] * 3])
    for divide_by, same in (("mask", True), ("pixels", False)):
        loss = PATLoss([1] * 4, divide_by=divide_by)
        value, other = loss(logits, target), loss(logits[..., twice], target[:, twice])
        assert (value.item() == pytest.approx(other.item(), rel=1e-6)) == same


def test_masks_are_those_of_an_image():
    """The mean over images, and images without a valid pixel are none."""
    parts = [draw(seed, (1, 4, 5, 6)) for seed in (25, 26)]
    parts.append((torch.randn(1, 4, 5, 6), torch.full((1, 5, 6), VOID)))
    values = [PATLoss([1] * 4)(*part) for part in parts]
    union = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    torch.testing.assert_close(PATLoss([1] * 4)(*union), (values[0] + values[1]) / 2)
    assert values[2] == 0


def test_one_sample_is_one_image():
    """Without space a mask is one pixel."""
    problem = draw(27, (40, 4))
    mask, pixels = (PATLoss([1] * 4, divide_by=by)(*problem) for by in ("mask", "pixels"))
    torch.testing.assert_close(mask, pixels)


@every_divisor
def test_given_weights_weigh_the_pixels(divide_by):
    logits, target = draw(28)
    loss = PATLoss([1] * 4, divide_by=divide_by)
    loss.set_class_weight(torch.tensor([2.0, 0.5, 1.0, 0.0]))
    want = slow.pat(logits, target, divide_by=divide_by, weights=[2, 0.5, 1, 0])
    assert loss(logits, target).item() == pytest.approx(want, rel=1e-6)


@every_divisor
def test_void_of_many_classes(divide_by):
    logits, target = draw(29, (2, 300, 40), void=0.0)
    target[:, 20:] = 65535
    target[0, :3] = target[1, :5] = 255
    loss = PATLoss([1] * 300, divide_by=divide_by)
    value = loss(logits, target)
    torch.testing.assert_close(value, loss(logits[..., :20], target[:, :20]))
    # and 255 is a class like any other, with a mask in either image
    alone = [loss(logits[i : i + 1], target[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(value, sum(alone) / 2)


@pytest.mark.parametrize("weight_form", ["paper", "reciprocal"])
def test_lowest_temperature_is_finite(weight_form):
    logits = torch.tensor([[0.0, 1e4], [1e4, 0.0]])
    loss = PATLoss([1] * 2, 0.02, weight_form=weight_form)
    value, grad = value_and_grad(loss, logits, torch.tensor([0, 0]))
    assert value.isfinite()
    assert grad.isfinite().all()


def test_most_classes_of_ina_have_a_finite_value():
    """e^60 / 2 and its sum over many pixels are floats of 32 bits."""
    loss = PATLoss([1] * 60, weight_form="ina", divide_by="logits")
    value = loss(torch.zeros(1, 60, 100, 100), torch.zeros(1, 100, 100, dtype=torch.long))
    assert value.isfinite()


def test_most_classes_of_ina_have_a_finite_gradient():
    logits = torch.zeros(1, 60)
    logits[0, 0] = -1e4
    value, grad = value_and_grad(PATLoss([1] * 60, weight_form="ina"), logits, torch.tensor([0]))
    assert value.isfinite()
    assert grad.isfinite().all()


@pytest.mark.parametrize(
    ("num_classes", "options", "message"),
    [
        (2, {"temperature": 0.01}, r"`temperature` must be a number in .*, got 0.01"),
        (2, {"temperature": -1.0}, r"`temperature` must be a number in .*, got -1.0"),
        (2, {"temperature": math.nan}, r"`temperature` must be a number in .*, got nan"),
        (2, {"epsilon": -0.1}, r"`epsilon` must be a number in .*, got -0.1"),
        (2, {"weight_form": "exp"}, "`weight_form` must be 'paper', .* 'ina', got 'exp'"),
        (2, {"divide_by": "image"}, "`divide_by` must be 'mask', .* 'logits', got 'image'"),
        (81, {"weight_form": "ina"}, "'ina' overflows beyond 60 classes, got 81"),
    ],
    ids=str,
)
def test_bad_hyperparameters_are_named(num_classes, options, message):
    with pytest.raises(ValueError, match=message):
        PATLoss([1] * num_classes, **options)
