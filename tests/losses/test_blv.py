"""BLV against the slow reading with given noise, the authors' code, and its noise by statistics.

Random draws are seeded, so that a test passes or fails for good; the bounds are four standard
errors, which a right loss would pass with 9999 of 10000 seeds.
"""

import math

import pytest
import torch

from lit_seg.losses import BLVLoss, CrossEntropyLoss
from lit_seg.metrics.labels import VOID
from tests.losses import oracle, oracle_logits
from tests.losses.parity import (
    agrees,
    assert_as_published,
    both_precisions,
    counts_for,
    published,
)
from tests.losses.problems import PROBLEMS, draw, every_problem

CASES = list(published("blv"))
NOISES = ["gaussian", "uniform", "xavier"]
COUNTS = [90, 30, 10, 5]


def with_noise(loss, noise):
    """The loss with this in place of its draw."""
    loss.draw = lambda logits: noise.to(logits.dtype)
    return loss


@pytest.fixture(autouse=True)
def _seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@both_precisions
@pytest.mark.parametrize("sigma", [0.1, 0.5, 4.0])
@every_problem
def test_equals_the_slow_reading(name, sigma, dtype):
    logits, target = PROBLEMS[name]
    counts = counts_for(logits)
    noise = sigma * torch.randn(logits.shape)
    want = oracle_logits.blv(logits, target, counts, noise)
    assert agrees(with_noise(BLVLoss(counts, sigma), noise), logits, target, want, dtype)


@both_precisions
@pytest.mark.parametrize("counts", [[90, 0, 10, 5], [0, 0, 0, 5], [3 * 10**9, 1, 0, 5]], ids=str)
def test_class_without_pixels_counts_as_one_pixel(counts, dtype):
    logits, target = draw(0)
    noise = torch.randn(logits.shape)
    want = oracle_logits.blv(logits, target, counts, noise)
    assert math.isfinite(want)
    assert agrees(with_noise(BLVLoss(counts), noise), logits, target, want, dtype)


def test_rarer_classes_get_more_noise():
    """The copy that the PAT authors use has it the other way round."""
    noise = BLVLoss([5000, 700, 40, 1, 0]).class_stats()["noise"].tolist()
    assert noise == sorted(noise)
    assert noise[-2:] == [1, 1]
    prior = oracle_logits.log_prior([5000, 700, 40, 1, 0])
    assert noise == pytest.approx([p / min(prior) for p in prior], rel=1e-12)


@both_precisions
@pytest.mark.parametrize("noise", NOISES)
def test_eval_is_plain_cross_entropy(noise, dtype):
    logits, target = draw(1)
    loss = BLVLoss(COUNTS, sigma=4.0, noise=noise).eval()
    before = torch.get_rng_state()
    assert agrees(loss, logits, target, oracle.cross_entropy(logits, target), dtype)
    assert torch.equal(torch.get_rng_state(), before)  # and it leaves the random numbers alone


def test_no_sigma_is_plain_cross_entropy():
    logits, target = draw(2)
    want = oracle.cross_entropy(logits, target)
    assert agrees(BLVLoss(COUNTS, sigma=0.0), logits, target, want, torch.float64)


@pytest.mark.parametrize("noise", NOISES)
def test_noise_is_fresh_in_each_call(noise):
    logits, target = draw(3)
    loss = BLVLoss(COUNTS, noise=noise)
    values = {loss(logits, target).item() for _ in range(20)}
    assert len(values) == 20


@pytest.mark.parametrize("noise", NOISES)
def test_noise_is_fresh_for_each_pixel_and_logit(noise):
    drawn = BLVLoss(COUNTS, noise=noise).draw(torch.zeros(2, 4, 5, 6))
    assert drawn.shape == (2, 4, 5, 6)
    assert len(drawn.unique()) == drawn.numel()


@pytest.mark.parametrize("sigma", [0.5, 4.0])
@pytest.mark.parametrize("noise", NOISES)
def test_size_of_the_draws(noise, sigma):
    shape = (4, 4, 100, 100)
    fans = 4 * 100 * 100 + 4 * 100 * 100  # (in, out) of torch's convolution weights
    want = {"gaussian": 1, "uniform": 1 / 3, "xavier": 2 / fans}[noise] * sigma**2  # variances
    fourth = {"gaussian": 3, "uniform": 9 / 5, "xavier": 3}[noise]  # E δ^4 / (E δ^2)^2
    drawn = BLVLoss([1] * 4, sigma=sigma, noise=noise).draw(torch.zeros(shape)).double()
    number = drawn.numel()
    assert abs(drawn.mean().item()) < 4 * math.sqrt(want / number)
    error = want * math.sqrt((fourth - 1) / number)
    assert abs(drawn.square().mean().item() - want) < 4 * error
    if noise == "uniform":
        assert drawn.abs().max() <= sigma


def test_sigma_four_clamps_four_of_five_draws():
    """2 (1 - Φ(1/4)) = .8026, which is why the noise of the paper is hardly random."""
    drawn = BLVLoss([1] * 4, sigma=4.0).draw(torch.zeros(10, 4, 100, 100))
    want = math.erfc(0.25 / math.sqrt(2))
    assert want == pytest.approx(0.8026, abs=5e-5)
    share = (drawn.abs() >= 1).double().mean().item()
    assert abs(share - want) < 4 * math.sqrt(want * (1 - want) / drawn.numel())


def samples(loss, logits, target, number=400):
    """Values of the loss with so many draws."""
    with torch.no_grad():
        return torch.stack([loss(logits, target) for _ in range(number)]).double()


def same_distribution(one, other):
    """Whether mean and spread of two samples differ by less than four standard errors."""
    number = len(one)
    error = math.sqrt((one.var() + other.var()) / number)
    same_mean = abs(one.mean() - other.mean()) < 4 * error
    # of log standard deviations, for a mean of many pixels, which is close to normal
    same_spread = abs(one.std().log() - other.std().log()) < 4 / math.sqrt(number - 1)
    return bool(same_mean and same_spread)


def test_classes_have_no_order_in_distribution():
    logits, target = draw(4)
    order = torch.tensor([2, 0, 3, 1])  # the new class c is the old class order[c]
    renamed = torch.where(target == VOID, VOID, order.argsort()[target.clamp(max=3)])
    here = samples(BLVLoss(COUNTS), logits, target)
    there = samples(BLVLoss([COUNTS[c] for c in order]), logits[:, order], renamed)
    assert same_distribution(here, there)
    # and it can tell, were the counts left as they are
    assert not same_distribution(here, samples(BLVLoss(COUNTS), logits[:, order], renamed))


def test_pixels_have_no_order_in_distribution():
    logits, target = draw(5, (2, 4, 30))
    order = torch.randperm(30)
    here = samples(BLVLoss(COUNTS), logits, target)
    assert same_distribution(here, samples(BLVLoss(COUNTS), logits[..., order], target[..., order]))
    # and it can tell noise from more noise
    louder = BLVLoss(COUNTS, sigma=0.6)
    assert not same_distribution(here, samples(louder, logits, target))


def test_gradient():
    """The noise is a constant for it."""
    logits, target = draw(6, (1, 4, 3, 4))
    logits = logits.double().requires_grad_()
    loss = with_noise(BLVLoss(COUNTS), torch.randn(logits.shape, dtype=torch.float64))
    assert torch.autograd.gradcheck(lambda logits: loss.loss(logits, target), logits)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_equals_the_published_code(case):
    """Given its draws."""
    noise = torch.tensor(case.all["noise"], dtype=torch.float64).view(case.logits.shape)
    assert_as_published(with_noise(BLVLoss(case.counts), noise), case)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": -0.1}, r"`sigma` must be a number in .*, got -0.1"),
        ({"sigma": math.nan}, r"`sigma` must be a number in .*, got nan"),
        ({"noise": "normal"}, "`noise` must be 'gaussian', 'uniform' or 'xavier', got 'normal'"),
    ],
    ids=str,
)
def test_bad_hyperparameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        BLVLoss([1, 1], **options)


def test_no_pixels_at_all():
    with pytest.raises(ValueError, match=r"`class_counts` must hold pixels .*, got \[0, 0\]"):
        BLVLoss([0, 0])


@pytest.mark.parametrize("noise", ["gaussian", "uniform"])
def test_noise_of_any_size_changes_the_loss(noise):
    logits, target = draw(9)
    plain = CrossEntropyLoss(COUNTS)(logits, target)
    for sigma in (0.1, 1.0, 2.0):
        assert BLVLoss(COUNTS, sigma, noise)(logits, target) != plain
    assert BLVLoss(COUNTS, 0.0, noise)(logits, target) == plain
