"""Online hard example mining against its slow reading, a sort, and published code."""

import itertools
import math

import pytest
import torch

from lit_seg.losses import CrossEntropyLoss, OHEMLoss
from lit_seg.metrics.labels import VOID
from tests.losses import oracle
from tests.losses import oracle_pixelwise as slow
from tests.losses.problems import PROBLEMS, draw, every_problem, value_and_grad

OPTIONS = [
    {},
    {"keep": 0.01},
    {"keep": 0.33},
    {"keep": 1.0},
    {"threshold": 0.7},  # with the default of 100000 pixels: all
    {"threshold": 0.7, "min_kept": 0},
    {"threshold": 0.1, "min_kept": 3},
    {"threshold": 0.3, "min_kept": 20},
    {"threshold": 1.0, "min_kept": 1},
]


def ce(problem):
    return CrossEntropyLoss([1] * problem[0].shape[1])(*problem)


def with_surprises(nlls):
    """A problem of two classes, all pixels of class 0, whose -log p are these."""
    logits = torch.tensor([[[-math.log(math.expm1(s)) for s in nlls], [0.0] * len(nlls)]])
    return logits, torch.zeros(1, len(nlls), dtype=torch.long)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@every_problem
def test_equals_the_slow_reading(name, options, training):
    logits, target = PROBLEMS[name]
    loss = OHEMLoss([1] * logits.shape[1], **options).train(training)
    slow.assert_equals(loss, (logits, target), slow.ohem(logits, target, **options))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_gradient_is_the_slope(options):
    """The choice has steps and no slope."""
    assert slow.has_its_gradient(OHEMLoss([1] * 3, **options))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_only_the_hardest_have_a_gradient(options):
    logits, target = draw(20)
    pixels = oracle.valid_pixels(logits, target)
    chosen = slow.hardest(logits, target, **options)
    last = min(chosen)
    hard = [oracle.nll(s, y) >= last for s, y in pixels]
    assert sum(hard) == len(chosen)
    want = slow.frozen_gradient(
        [(s, y, is_hard / len(chosen)) for (s, y), is_hard in zip(pixels, hard, strict=True)]
    )
    ours = slow.gradient_of(OHEMLoss([1] * 4, **options), (logits, target))
    for row, want_row in zip(ours, want, strict=True):
        assert row == pytest.approx(want_row, rel=1e-12, abs=1e-15)


@slow.published("ohem_topk")
def test_share_equals_the_published_code(case):
    loss = OHEMLoss([1] * case["shape"][1], **case["options"])
    slow.assert_is_published(loss, case)
    assert len(slow.hardest(*slow.problem_of(case), **case["options"])) == case["kept"]


@slow.published("ohem_threshold", "min_kept above the number of pixels")
def test_threshold_equals_the_published_code(case):
    """Strictly below the probability after min_kept others are min_kept pixels."""
    threshold, min_kept = case["options"]["thresh"], case["options"]["min_kept"]
    loss = OHEMLoss([1] * case["shape"][1], threshold=threshold, min_kept=min_kept)
    slow.assert_is_published(loss, case)
    kept = slow.hardest(*slow.problem_of(case), threshold=threshold, min_kept=min_kept)
    assert len(kept) == case["kept"]


@slow.published(
    "ohem_threshold",
    "threshold .7 decides",
    "min_kept decides, a class is absent",
    "void 255, threshold decides",
    "void 255, min_kept decides",
)
def test_where_all_are_kept_the_published_code_leaves_out_the_easiest(case):
    """Strictly below the largest probability are all but one; ours keeps as many as there are."""
    problem = slow.problem_of(case)
    options = {"threshold": case["options"]["thresh"], "min_kept": case["options"]["min_kept"]}
    assert options["min_kept"] > case["valid"]
    value = OHEMLoss([1] * 3, **options)(*problem)
    torch.testing.assert_close(value, ce(problem))
    easiest = min(slow.hardest(*problem, **options))
    left = (value.item() * case["valid"] - easiest) / case["kept"]
    assert case["kept"] == case["valid"] - 1
    assert left == pytest.approx(case["loss"], rel=1e-6)


@pytest.mark.parametrize("options", [{"keep": 1.0}, {"threshold": 1.0}, {"threshold": 0.01}])
def test_all_pixels_are_cross_entropy(options):
    problem = draw(21)
    torch.testing.assert_close(OHEMLoss([1] * 4, **options)(*problem), ce(problem))


def test_fewer_pixels_are_harder():
    problem = draw(22)
    keeps = [1.0, 0.7, 0.4, 0.1, 0.001]
    values = [OHEMLoss([1] * 4, keep=keep)(*problem).item() for keep in keeps]
    assert all(less < more for less, more in itertools.pairwise(values))
    hardest = max(oracle.nll(s, y) for s, y in oracle.valid_pixels(*problem))
    assert values[-1] == pytest.approx(hardest, rel=1e-6)  # one pixel at least


def test_share_is_of_valid_pixels():
    """detectron2 takes 70 % of these ten, seven, and finds four to be void."""
    logits, target = with_surprises([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0])
    target[0, 6:] = VOID
    value = OHEMLoss([1] * 2)(logits, target).item()
    assert value == pytest.approx((6 + 5 + 4 + 3) / 4, rel=1e-6)  # int(.7 * 6)


def test_share_is_of_the_batch_and_not_of_each_image():
    logits, target = with_surprises([0.1, 0.2, 8.0, 9.0])
    images = logits.view(2, 2, 2).movedim(1, 0)  # the two easy pixels and the two hard ones
    value = OHEMLoss([1] * 2, keep=0.5)(images, target.view(2, 2))
    assert value.item() == pytest.approx(8.5, rel=1e-6)


@pytest.mark.parametrize("k", range(1, 9))
def test_pixels_as_hard_as_the_last_share_its_place(k):
    """Whichever of them a sort would have come upon first."""
    nlls = [3.0, 1.0, 2.0, 2.0, 2.0, 0.5, 1.0, 2.0]
    logits, target = with_surprises(nlls)
    loss = OHEMLoss([1] * 2, threshold=0.01, min_kept=k)  # 0.01 is below all
    value, grad = value_and_grad(loss, logits, target)
    ranked = sorted(nlls, reverse=True)
    assert value.item() == pytest.approx(sum(ranked[:k]) / k, rel=1e-6)
    for s, slope in zip(nlls, grad[0, 1].tolist(), strict=True):
        taken, ties = ranked[:k].count(s), ranked.count(s)
        assert slope == pytest.approx(taken / ties / k * -math.expm1(-s), rel=1e-5)


def chosen_of(hardness, valid, k):
    """How much of each pixel counts when k of them do."""
    loss = OHEMLoss([1] * 2, keep=(k + 0.5) / int(valid.sum()))
    chosen, number = loss._choose(hardness, valid)
    assert number == k
    return chosen


@pytest.mark.parametrize(
    "bits", [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2**16 - 1, 2**16, 0], [2**16, 0, 2**16 - 1]], ids=str
)
def test_neighbouring_floats_are_no_tie(bits):
    """The order is that of all 32 bits, also where only the upper or only the lower 16 differ."""
    two = torch.full((3,), 2.0).view(torch.int32)
    hardness = (two + torch.tensor(bits, dtype=torch.int32)).view(torch.float32)
    chosen = chosen_of(hardness, torch.ones(3, dtype=torch.bool), 2)
    assert chosen.tolist() == [float(b != min(bits)) for b in bits]


@pytest.mark.parametrize("k", [1, 2, 499, 500, 4000, 6000])
def test_kth_of_many_equals_a_sort(k):
    """With many ties, over many magnitudes and among zeros of both signs."""
    generator = torch.Generator().manual_seed(k)
    hardness = torch.randn(10_000, generator=generator).mul(9).exp().round(decimals=2)
    hardness[::7] = 0.0
    hardness[1::7] = -0.0
    valid = torch.rand(10_000, generator=generator) < 0.7
    chosen = chosen_of(hardness, valid, k).double()
    assert not chosen[~valid].any()
    assert chosen.sum() == pytest.approx(k, rel=1e-6)
    want = sorted(hardness[valid].tolist(), reverse=True)[:k]
    assert (chosen * hardness).sum() == pytest.approx(sum(want), rel=1e-6)


@pytest.mark.parametrize("options", [{"keep": 0.5}, {"threshold": 0.9, "min_kept": 2}], ids=str)
def test_minus_zero_is_the_smallest_loss(options):
    """-log 1 is -0.0 in torch, whose bits are those of the smallest integer."""
    logits = torch.tensor([[[100.0, 100.0, 100.0, 0.0], [0.0, 0.0, 0.0, 1.0]]])
    target = torch.zeros(1, 4, dtype=torch.long)
    nll = torch.nn.functional.cross_entropy(logits, target, reduction="none")
    assert nll[0, 0].signbit()
    value, grad = value_and_grad(OHEMLoss([1] * 2, **options), logits, target)
    assert value.item() == pytest.approx(nll[0, 3].item() / 2, rel=1e-6)
    assert grad.isfinite().all()
    value, _ = value_and_grad(OHEMLoss([1] * 2, **options), logits[..., :3], target[:, :3])
    assert 0 <= value < 1e-40  # e^-100, which torch rounds to 0


def test_threshold_is_strict():
    """p = 1/2 is not below 1/2: only the second pixel is."""
    logits = torch.tensor([[[0.0, -3.0, 3.0], [0.0, 0.0, 0.0]]])
    target = torch.zeros(1, 3, dtype=torch.long)
    value = OHEMLoss([1] * 2, threshold=0.5, min_kept=0)(logits, target)
    assert value.item() == pytest.approx(math.log1p(math.exp(3)), rel=1e-6)
    value = OHEMLoss([1] * 2, threshold=0.500001, min_kept=0)(logits, target)
    assert value.item() == pytest.approx((math.log1p(math.exp(3)) + math.log(2)) / 2, rel=1e-6)


def test_nobody_below_the_threshold_costs_nothing():
    problem = draw(23, skill=20)
    loss = OHEMLoss([1] * 4, threshold=0.5, min_kept=0)
    value, grad = value_and_grad(loss, *problem)
    assert value == 0
    assert not grad.any()


def test_given_weights_weigh_and_do_not_choose():
    """Two pixels share the second place: each counts half, with its own weight."""
    logits = torch.tensor([[[-2.0, -1.0, 0.0, 4.0], [0.0, 0.0, -1.0, 0.0]]])
    target = torch.tensor([[0, 0, 1, 0]])
    losses = [math.log1p(math.exp(2)), math.log1p(math.e), math.log1p(math.e)]
    loss = OHEMLoss([1] * 2, keep=0.5)
    loss.set_class_weight(torch.tensor([1.0, 3.0]))
    want = (losses[0] + losses[1] / 2 + 3 * losses[2] / 2) / 2
    assert loss(logits, target).item() == pytest.approx(want, rel=1e-6)
    loss.set_class_weight(torch.tensor([0.1, 9.0]))
    want = (0.1 * losses[0] + 0.1 * losses[1] / 2 + 9 * losses[2] / 2) / 2
    assert loss(logits, target).item() == pytest.approx(want, rel=1e-6)


def test_void_of_many_classes():
    logits, target = draw(24, (1, 300, 40), void=0.0)
    target[0, 20:] = 65535
    target[0, 0] = 255
    value = OHEMLoss([1] * 300)(logits, target)
    torch.testing.assert_close(value, OHEMLoss([1] * 300)(logits[..., :20], target[:, :20]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 0.0}, r"`keep` must be a number in .*, got 0.0"),
        ({"keep": 1.1}, r"`keep` must be a number in .*, got 1.1"),
        ({"keep": math.nan}, r"`keep` must be a number in .*, got nan"),
        ({"threshold": 0.0}, r"`threshold` must be a number in .*, got 0.0"),
        ({"threshold": 1.5}, r"`threshold` must be a number in .*, got 1.5"),
        ({"min_kept": -1}, r"`min_kept` must be a number in .*, got -1"),
    ],
    ids=str,
)
def test_bad_hyperparameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        OHEMLoss([1, 1], **options)
