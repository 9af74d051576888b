"""Deferred re-weighting: when it starts, what it weighs, and what it refuses."""

import io
import math
from functools import partial

import pytest
import torch

from lit_seg.losses import (
    CrossEntropyLoss,
    DeferredReweightingLoss,
    FocalLoss,
    LDAMLoss,
    RecallLoss,
    SoftDiceLoss,
    WeightedSumLoss,
)
from lit_seg.losses.pixelwise import PixelLoss
from lit_seg.metrics.labels import VOID
from tests.losses import oracle, oracle_logits, oracle_pixelwise
from tests.losses.every import LOSSES, Make, SameNoise, exported
from tests.losses.parity import agrees, both_precisions, passes_gradcheck
from tests.losses.problems import draw, value_and_grad

COUNTS = [90, 30, 10, 5]
WITHOUT_WEIGHTS = [
    "LovaszSoftmaxLoss",
    "SoftDiceLoss",
    "SoftIoULoss",
    "SoftTverskyLoss",
]


def weighs(loss):
    """Whether classes weigh other than 1."""
    return loss.class_stats()["weight"].tolist() != [1.0] * loss.num_classes


def focal(logits, target, weights):
    """Focal loss with γ = 2, weighted like cross-entropy in the oracle."""
    total = norm = 0.0
    for scores, label in oracle.valid_pixels(logits, target):
        nll = oracle.nll(scores, label)
        total += weights[label] * (1 - math.exp(-nll)) ** 2 * nll
        norm += weights[label]
    return total / norm


READINGS = [
    (CrossEntropyLoss, partial(oracle.weighted_cross_entropy, normalizer="weight_sum")),
    (FocalLoss, focal),
    (
        partial(LDAMLoss, scale=2.0),
        lambda logits, target, weights: oracle_logits.ldam(
            logits, target, COUNTS, scale=2.0, weights=weights
        ),
    ),
]


@both_precisions
@pytest.mark.parametrize("beta", [None, 0.0, 0.5, 0.99])
@pytest.mark.parametrize("step", [draw(0), draw(1, absent=(0, 3)), draw(2, void=0.9)], ids=range(3))
@pytest.mark.parametrize(("loss", "reading"), READINGS, ids=["ce", "focal", "ldam"])
@pytest.mark.filterwarnings("ignore:class-balanced weights are all alike")
def test_equals_the_slow_reading(loss, reading, step, beta, dtype):
    deferred = DeferredReweightingLoss(COUNTS, loss, beta=beta)
    assert agrees(deferred, *step, reading(*step, [1.0] * 4), dtype)
    deferred.set_progress(0.8)
    weights = oracle_pixelwise.class_balanced_weights(COUNTS, beta)
    assert agrees(deferred, *step, reading(*step, weights), dtype)
    stats = deferred.class_stats()
    assert stats["weight"].tolist() == pytest.approx(weights, rel=1e-12)


PIXEL_LOSSES = [make for make in LOSSES if issubclass(make.cls, PixelLoss)]


@pytest.mark.parametrize("loss", PIXEL_LOSSES, ids=repr)
def test_is_the_loss_itself_before_the_start(loss):
    """With its own weights, state and normaliser."""
    step = draw(3)
    deferred = DeferredReweightingLoss(COUNTS, lambda counts: loss(list(counts)))
    got = value_and_grad(SameNoise(deferred), *step)
    want = value_and_grad(SameNoise(loss(COUNTS)), *step)
    torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("start", [0.3, 0.8, 1.0])
def test_starts_exactly_at_the_start(start):
    loss = DeferredReweightingLoss(COUNTS, LDAMLoss, start=start)
    step = draw(4)
    assert not weighs(loss)
    before = loss(*step)
    loss.set_progress(math.nextafter(start, 0))
    assert not weighs(loss)
    assert torch.equal(loss(*step), before)
    loss.set_progress(start)
    assert weighs(loss)
    assert not torch.equal(loss(*step), before)
    loss.set_progress(1.0)
    assert weighs(loss)


def test_start_zero_needs_no_progress():
    loss = DeferredReweightingLoss(COUNTS, CrossEntropyLoss, start=0.0)
    assert weighs(loss)
    step = draw(5)
    value = loss(*step)
    loss.set_progress(0.0)
    assert torch.equal(loss(*step), value)


@pytest.mark.parametrize("started", [True, False])
def test_checkpoint_is_scored_as_in_training(started):
    """By a fresh loss that is told of no progress, as `make test` builds it."""
    loss = DeferredReweightingLoss(COUNTS, LDAMLoss)
    loss.set_progress(0.9 if started else 0.1)
    file = io.BytesIO()
    torch.save(loss.state_dict(), file)
    file.seek(0)
    step = draw(6)
    resumed = DeferredReweightingLoss(COUNTS, LDAMLoss).eval()
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert list(resumed.state_dict()) == ["started"]
    assert weighs(resumed) == started
    assert torch.equal(resumed(*step), loss.eval()(*step))


def test_state_of_the_part_is_saved_too():
    loss = DeferredReweightingLoss(COUNTS, partial(RecallLoss, momentum=0.5), start=0.5)
    for k in range(3):
        loss.set_progress(k / 4)
        loss(*draw(10 + k))
    resumed = DeferredReweightingLoss(COUNTS, partial(RecallLoss, momentum=0.5), start=0.5)
    resumed.load_state_dict(loss.state_dict())
    step = draw(13)
    assert torch.equal(resumed(*step), loss(*step))
    assert torch.equal(resumed.class_stats()["weight"], loss.class_stats()["weight"])


def test_weights_come_on_top_of_those_of_the_part():
    """The recall of the step and the balance of the data multiply; only the latter divides."""
    logits, target = draw(7)
    loss = DeferredReweightingLoss(COUNTS, RecallLoss, start=0.0)
    _, recall = oracle.recall_loss(logits, target)
    balanced = oracle_pixelwise.class_balanced_weights(COUNTS)
    own = oracle.recall_weights(recall)
    want = oracle.weighted_cross_entropy(logits, target, own, "valid", given=balanced)
    assert agrees(loss, logits, target, want, torch.float64)


@both_precisions
def test_class_without_pixels_weighs_nothing(dtype):
    logits, target = draw(8)
    counts = [90, 0, 10, 5]
    loss = DeferredReweightingLoss(counts, CrossEntropyLoss, start=0.0)
    assert loss.class_stats()["weight"][1] == 0
    weights = oracle_pixelwise.class_balanced_weights(counts)
    want = oracle.weighted_cross_entropy(logits, target, weights, "weight_sum")
    assert agrees(loss, logits, target, want, dtype)
    only_it = torch.where(target == 1, 1, VOID)
    value, grad = value_and_grad(loss, logits, only_it)
    assert value == 0
    assert not grad.any()


def test_gradient():
    logits, target = draw(9, (1, 4, 3, 4))
    loss = DeferredReweightingLoss(COUNTS, partial(LDAMLoss, scale=1.0), start=0.0)
    assert passes_gradcheck(loss, logits, target)


def test_progress_reaches_the_part():
    loss = DeferredReweightingLoss(
        COUNTS, partial(WeightedSumLoss, losses=[CrossEntropyLoss, LDAMLoss]), start=0.5
    )
    heard = []
    loss.part.set_progress = heard.append
    for done in (0.0, 0.4, 1.0):
        loss.set_progress(done)
    assert heard == [0.0, 0.4, 1.0]


def test_train_and_eval_reach_the_part():
    loss = DeferredReweightingLoss(COUNTS, RecallLoss)
    loss.eval()
    loss(*draw(14))
    assert loss.class_stats()["recall"].isnan().all()
    loss.train()
    loss(*draw(14))
    assert not loss.class_stats()["recall"].isnan().any()


@pytest.mark.parametrize("cls", list(exported()), ids=lambda cls: cls.__name__)
def test_losses_that_take_no_weights_are_refused_by_name(cls):
    """At construction, and not after four fifths of the training."""
    needed = {"WeightedSumLoss": {"losses": [CrossEntropyLoss]}}
    needed["DeferredReweightingLoss"] = {"loss": CrossEntropyLoss}
    loss = Make(cls, needed.get(cls.__name__, {}))
    if cls.__name__ in WITHOUT_WEIGHTS:
        with pytest.raises(ValueError, match=f"^{cls.__name__} takes no class weights"):
            DeferredReweightingLoss(COUNTS, loss)
    else:
        assert DeferredReweightingLoss(COUNTS, loss)(*draw(15)).isfinite()


def test_given_weights_come_on_top_of_the_balance():
    step, given = draw(16), torch.tensor([2.0, 0.5, 1.0, 0.0], dtype=torch.float64)
    loss, plain = DeferredReweightingLoss(COUNTS, CrossEntropyLoss), CrossEntropyLoss(COUNTS)
    loss.set_class_weight(given)
    for done, weight in ((0.0, given), (1.0, given * loss.balanced)):
        loss.set_progress(done)
        plain.set_class_weight(weight)
        assert torch.equal(loss.class_stats()["weight"], weight)
        torch.testing.assert_close(loss(*step), plain(*step), rtol=1e-6, atol=0)


def test_sum_is_refused_by_the_name_of_its_part():
    with pytest.raises(ValueError, match=r"^SoftDiceLoss takes no class weights"):
        DeferredReweightingLoss(
            COUNTS, partial(WeightedSumLoss, losses=[CrossEntropyLoss, SoftDiceLoss])
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": -0.1}, r"`start` must be a number in .*, got -0.1"),
        ({"start": 1.1}, r"`start` must be a number in .*, got 1.1"),
        ({"start": math.nan}, r"`start` must be a number in .*, got nan"),
        ({"beta": 1.0}, r"`beta` must be a number in .*, got 1.0"),
        ({"beta": -0.1}, r"`beta` must be a number in .*, got -0.1"),
    ],
    ids=str,
)
def test_bad_hyperparameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        DeferredReweightingLoss(COUNTS, CrossEntropyLoss, **options)


def test_weights_all_alike_are_warned_of():
    """The paper's .9999 is for counts of images."""
    with pytest.warns(UserWarning, match="all alike with beta=0.9999"):
        DeferredReweightingLoss([10**9, 10**6], CrossEntropyLoss, beta=0.9999)
