"""Seesaw loss against the slow reading of its formula and OpenMMLab's code."""

import io
import math

import pytest
import torch

from lit_seg.losses import SeesawLoss
from tests.losses import oracle, oracle_logits
from tests.losses.parity import (
    agrees,
    assert_as_published,
    both_precisions,
    grad_in_double,
    published,
    slopes,
)
from tests.losses.problems import PROBLEMS, draw, every_problem

CASES = list(published("seesaw"))
OPTIONS = [
    {},
    {"mitigation": 0.0},
    {"compensation": 0.0},
    {"mitigation": 0.5, "compensation": 1.0},
    {"mitigation": 0.0, "compensation": 0.0},
]


@both_precisions
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@every_problem
def test_equals_the_slow_reading(name, options, dtype):
    """Of a first step, whose own pixels count already."""
    logits, target = PROBLEMS[name]
    seen = oracle_logits.pixels_of_classes(target, logits.shape[1])
    loss = SeesawLoss([1] * logits.shape[1], **options)
    want = oracle_logits.seesaw(logits, target, seen, **options)
    # the exponent q takes the rounding of logits times q
    assert agrees(loss, logits, target, want, dtype, scale=1 + loss.compensation)
    assert loss.seen.tolist() == seen


@pytest.mark.parametrize("min_confidence", [0.01, 0.3, 0.9])
@pytest.mark.parametrize("skill", [-3.0, 0.0, 1.0])
def test_bounded_confidence(min_confidence, skill):
    """Within 1e-7 also in double, as the loss keeps the bound in float32."""
    logits, target = draw(0, skill=skill)
    seen = oracle_logits.pixels_of_classes(target, 4)
    want = oracle_logits.seesaw(logits, target, seen, min_confidence=min_confidence)
    loss = SeesawLoss([1] * 4, min_confidence=min_confidence)
    assert loss.loss(logits.double(), target).item() == pytest.approx(want, rel=1e-7)
    if min_confidence > 0.1 or skill < 0:  # where some confidence is lower
        assert want < 0.9999 * oracle_logits.seesaw(logits, target, seen)


def test_steps_in_which_classes_come_and_go():
    loss, seen = SeesawLoss([1] * 4), [0] * 4
    for step, absent in enumerate([(1,), (), (0, 2), (1, 2, 3)]):
        logits, target = draw(10 + step, absent=absent, skill=step / 2)
        found = oracle_logits.pixels_of_classes(target, 4)
        seen = [n + k for n, k in zip(seen, found, strict=True)]
        want = oracle_logits.seesaw(logits, target, seen)
        assert agrees(loss, logits, target, want, torch.float32)
        assert loss.seen.tolist() == loss.class_stats()["seen"].tolist() == seen


@both_precisions
def test_eval_uses_what_was_seen_and_changes_nothing(dtype):
    loss = SeesawLoss([1] * 4)
    loss(*draw(20, absent=(2,)))
    seen = loss.seen.tolist()
    assert seen[2] == 0
    loss.eval()
    logits, target = draw(21)
    want = oracle_logits.seesaw(logits, target, seen)
    for _ in range(2):
        assert agrees(loss, logits, target, want, dtype)
        assert loss.seen.tolist() == seen


def test_eval_before_training_has_no_mitigation():
    logits, target = draw(22)
    want = oracle_logits.seesaw(logits, target, [1] * 4)
    loss = SeesawLoss([7, 1, 1, 1]).eval()
    assert agrees(loss, logits, target, want, torch.float64)


def test_neither_factor_is_cross_entropy():
    logits, target = draw(23)
    loss = SeesawLoss([1] * 4, mitigation=0.0, compensation=0.0)
    assert agrees(loss, logits, target, oracle.cross_entropy(logits, target), torch.float64)


def test_constructor_counts_do_not_matter():
    logits, target = draw(24)
    values = [SeesawLoss(counts)(logits, target) for counts in ([1] * 4, [9, 0, 5, 1])]
    assert torch.equal(*values)


@pytest.mark.parametrize("bits", [24, 31, 53])
def test_counts_beyond_what_floats_count(bits):
    """float32 stops at 2^24, after a few images; float64 at 2^53."""
    loss = SeesawLoss([1, 1])
    assert loss.seen.dtype == torch.int64
    loss.seen.fill_(2**bits)
    loss(torch.zeros(1, 2, 3), torch.tensor([[0, 0, 1]]))
    assert loss.seen.tolist() == [2**bits + 2, 2**bits + 1]


def test_state_survives_a_checkpoint():
    loss = SeesawLoss([1] * 4)
    loss.seen.copy_(torch.tensor([2**40 + 1, 2**24 + 1, 0, 7]))
    loss(*draw(30, absent=(2,)))
    file = io.BytesIO()
    torch.save(loss.state_dict(), file)
    file.seek(0)
    resumed = SeesawLoss([1] * 4)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert list(resumed.state_dict()) == ["seen"]
    assert torch.equal(resumed.seen, loss.seen)
    step = draw(31)
    assert torch.equal(resumed(*step), loss(*step))
    assert torch.equal(resumed.seen, loss.seen)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_gradient(options):
    """The slope of the formula with the compensation, and only that, held fast."""
    logits, target = draw(40, (1, 3, 2, 4), skill=0)
    seen = [1000, 50, 3]
    loss = SeesawLoss([1] * 3, **options).eval()
    loss.seen.copy_(torch.tensor(seen))
    want = slopes(
        lambda moved: oracle_logits.seesaw(moved, target, seen, frozen=logits, **options), logits
    )
    torch.testing.assert_close(grad_in_double(loss, logits, target), want, rtol=1e-8, atol=1e-10)
    if loss.compensation:
        free = slopes(lambda moved: oracle_logits.seesaw(moved, target, seen, **options), logits)
        assert (free - want).abs().max() > 1e-3  # a loss that is not detached would be found


@pytest.mark.parametrize("mitigation", [0.0, 0.8])
def test_gradcheck_without_compensation(mitigation):
    logits, target = draw(41, (1, 4, 3, 4))
    loss = SeesawLoss([1] * 4, mitigation=mitigation, compensation=0.0).eval()
    loss.seen.copy_(torch.tensor([1000, 50, 3, 0]))
    logits = logits.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda logits: loss.loss(logits, target), logits)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_equals_the_published_code(case):
    """From the same counts. Within 1e-7, as the bound of its ``eps`` is in float32 here."""
    options = case.options
    loss = SeesawLoss(
        [1] * case.logits.shape[1], options["p"], options["q"], min_confidence=options["eps"]
    )
    loss.seen.copy_(torch.tensor(case.all["counts_before"]))
    value = loss.loss(case.logits, case.target).item()
    assert value == pytest.approx(case.loss, rel=1e-7)
    assert loss.seen.tolist() == case.all["counts_after"]
    assert_as_published(loss.eval(), case, rel=1e-7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mitigation": -0.1}, r"`mitigation` must be a number in .*, got -0.1"),
        ({"mitigation": math.nan}, r"`mitigation` must be a number in .*, got nan"),
        ({"compensation": -1.0}, r"`compensation` must be a number in .*, got -1.0"),
        ({"min_confidence": -0.1}, r"`min_confidence` must be a number in .*, got -0.1"),
        ({"min_confidence": 1.0}, r"`min_confidence` must be a number in .*, got 1.0"),
    ],
    ids=str,
)
def test_bad_hyperparameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        SeesawLoss([1, 1], **options)


def test_counts_of_zero_are_allowed():
    logits, target = draw(50)
    assert SeesawLoss([0] * 4)(logits, target).isfinite()
