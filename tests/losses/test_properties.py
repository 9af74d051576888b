"""What holds for any input: hypothesis looks for a batch that breaks it."""

import copy
import io
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lit_seg.losses import CrossEntropyLoss, RecallLoss
from lit_seg.metrics.labels import VOID
from tests.losses import oracle
from tests.losses.every import (
    SameNoise,
    every_class_of_losses,
    every_exact_class_of_losses,
)
from tests.losses.problems import value_and_grad
from tests.losses.strategies import (
    batches,
    lines,
    logits_of,
    momenta,
    steps,
    tries,
    without_ties,
)

close = {"rtol": 1e-5, "atol": 1e-6}


def fresh(make, logits):
    return make([1] * logits.shape[1])


def noised(make, logits):
    return SameNoise(fresh(make, logits))


def trained(make, batch_list):
    """A loss after these steps."""
    loss = fresh(make, batch_list[0][0])
    for batch in batch_list:
        loss(*batch)
    return loss


def state_bytes(loss):
    """Bytes, since NaN is not equal to itself."""
    return {name: tensor.numpy().tobytes() for name, tensor in loss.state_dict().items()}


def stored(loss):
    return [None if math.isnan(r) else r for r in loss.state.recall.tolist()]


@every_class_of_losses
@tries(5)
@given(batch=batches(), data=st.data())
def test_what_lies_under_void_does_not_matter(make, batch, data):
    logits, target = batch
    void = (target == VOID).unsqueeze(1).expand_as(logits)
    other = torch.where(void, data.draw(logits_of(tuple(logits.shape))), logits)
    value, grad = value_and_grad(noised(make, logits), logits, target)
    other_value, other_grad = value_and_grad(noised(make, logits), other, target)
    assert torch.equal(value, other_value)
    assert torch.equal(grad, other_grad)
    assert not grad[void].any()


@every_exact_class_of_losses
@tries(5)
@given(batch=lines(), data=st.data())
def test_void_pixels_add_nothing(make, batch, data):
    logits, target = batch
    more = data.draw(logits_of((1, logits.shape[1], 3)))
    padded = torch.cat([logits, more], 2), torch.cat([target, torch.full((1, 3), VOID)], 1)
    loss, other = fresh(make, logits), fresh(make, logits)
    torch.testing.assert_close(loss(logits, target), other(*padded), **close)
    assert state_bytes(loss) == state_bytes(other)


@every_exact_class_of_losses
@tries(5)
@given(batch=lines(), data=st.data())
def test_order_of_pixels_does_not_matter(make, batch, data):
    logits, target = batch
    order = data.draw(st.permutations(range(target.shape[1])))
    loss, other = fresh(make, logits), fresh(make, logits)
    value, grad = value_and_grad(loss, logits, target)
    other_value, other_grad = value_and_grad(other, logits[..., order], target[..., order])
    torch.testing.assert_close(value, other_value, **close)
    torch.testing.assert_close(grad[..., order], other_grad, **close)
    assert state_bytes(loss) == state_bytes(other)


@every_exact_class_of_losses
@tries(5)
@given(batch=lines(), data=st.data())
def test_names_of_classes_do_not_matter(make, batch, data):
    logits, target = without_ties(batch[0]), batch[1]
    order = torch.tensor(data.draw(st.permutations(range(logits.shape[1]))))
    renamed = torch.where(target == VOID, VOID, order.argsort()[target.clamp(max=len(order) - 1)])
    loss, other = fresh(make, logits), fresh(make, logits)
    torch.testing.assert_close(loss(logits, target), other(logits[:, order], renamed), **close)
    for name, stat in loss.class_stats().items():
        torch.testing.assert_close(stat[order], other.class_stats()[name], equal_nan=True)


@every_class_of_losses
@tries(5)
@given(batch=batches(), shift=st.integers(-64, 64))
def test_a_shift_common_to_all_classes_cancels(make, batch, shift):
    logits, target = without_ties(batch[0]), batch[1]
    value = noised(make, logits)(logits, target)
    torch.testing.assert_close(noised(make, logits)(logits + shift, target), value, **close)


@every_class_of_losses
@tries(5)
@given(batch=batches(), training=st.booleans(), scale=st.sampled_from([1.0, 1e4, -1e4]))
def test_finite_and_not_negative(make, batch, training, scale):
    logits, target = batch[0].clamp(-1, 1) * scale, batch[1]
    value, grad = value_and_grad(fresh(make, logits).train(training), logits, target)
    assert value.isfinite()
    assert value >= 0
    assert grad.isfinite().all()


@tries(40)
@given(batch=batches(), training=st.booleans())
def test_cross_entropy_equals_the_slow_reading(batch, training):
    logits, target = batch
    value = fresh(CrossEntropyLoss, logits).train(training)(logits, target).item()
    want = oracle.cross_entropy(logits, target) if (target != VOID).any() else 0.0
    assert value == pytest.approx(want, rel=1e-5, abs=1e-6)


bounds = (
    st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), min_size=2, max_size=2)
    .map(sorted)
    .filter(lambda pair: pair[1] > 0)
)
"""``min_weight`` and ``max_weight``."""


@tries(60)
@given(
    batch_list=steps(),
    momentum=momenta,
    normalizer=st.sampled_from(["valid", "weight_sum"]),
    floor_one=st.booleans(),
    least_and_most=bounds,
)
def test_recall_loss_equals_the_slow_reading(
    batch_list, momentum, normalizer, floor_one, least_and_most
):
    options = {
        "momentum": momentum,
        "normalizer": normalizer,
        "floor_one": floor_one,
        "min_weight": least_and_most[0],
        "max_weight": least_and_most[1],
    }
    loss, recall = RecallLoss([1] * batch_list[0][0].shape[1], **options), None
    for batch in batch_list:
        value = loss(*batch).item()
        want, recall = oracle.recall_loss(*batch, recall=recall, **options)
        assert value == pytest.approx(want, rel=1e-5, abs=1e-6)
        assert stored(loss) == pytest.approx(recall, abs=1e-12)
    weights = oracle.recall_weights(recall, *least_and_most)
    want = oracle.weighted_cross_entropy(*batch_list[0], weights, normalizer)
    assert loss.eval()(*batch_list[0]).item() == pytest.approx(want, rel=1e-5, abs=1e-6)


@tries(40)
@given(batch=batches(), floor_one=st.booleans(), least_and_most=bounds)
def test_lies_between_bounds_times_cross_entropy(batch, floor_one, least_and_most):
    (logits, target), (least, most) = batch, least_and_most
    loss = RecallLoss([1] * logits.shape[1], floor_one=floor_one, min_weight=least, max_weight=most)
    ce = fresh(CrossEntropyLoss, logits)(logits, target).item()
    value = loss(logits, target).item()
    assert least * ce * (1 - 1e-5) <= value <= most * ce * (1 + 1e-5)


@tries(40)
@given(pair=st.integers(2, 5).flatmap(lambda c: st.tuples(lines(c), lines(c))))
def test_cross_entropy_of_a_union_is_the_mean_over_pixels(pair):
    loss = fresh(CrossEntropyLoss, pair[0][0])
    pixels = [(target != VOID).sum().item() for _, target in pair]
    parts = sum(n * loss(*part).item() for n, part in zip(pixels, pair, strict=True))
    union = loss(torch.cat([pair[0][0], pair[1][0]], 2), torch.cat([pair[0][1], pair[1][1]], 1))
    assert union.item() * sum(pixels) == pytest.approx(parts, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("normalizer", ["valid", "weight_sum"])
@tries(30)
@given(
    batch_list=st.integers(2, 4).flatmap(
        lambda c: st.tuples(batches(c), lines(c), lines(c)).map(list)
    )
)
def test_recall_loss_of_a_union_while_recall_stands_still(normalizer, batch_list):
    """In eval mode. While training each part would give its own weights."""
    first, *pair = batch_list
    loss = RecallLoss([1] * first[0].shape[1], normalizer=normalizer)
    loss(*first)
    loss.eval()

    def norm(target):
        labels = target[target != VOID]
        return len(labels) if normalizer == "valid" else loss.weight[labels].sum().item()

    total = sum(norm(target) * loss(logits, target).item() for logits, target in pair)
    union = loss(torch.cat([pair[0][0], pair[1][0]], 2), torch.cat([pair[0][1], pair[1][1]], 1))
    norms = sum(norm(target) for _, target in pair)
    assert union.item() * norms == pytest.approx(total, rel=1e-5, abs=1e-6)


@every_class_of_losses
@tries(5)
@given(batch_list=steps(), data=st.data())
def test_eval_changes_nothing(make, batch_list, data):
    loss = trained(make, batch_list)
    before = state_bytes(loss)
    batch = data.draw(batches(batch_list[0][0].shape[1]))
    values = [loss.eval()(*batch) for _ in range(2)]
    assert torch.equal(*values)
    assert state_bytes(loss) == before


@every_class_of_losses
@tries(5)
@given(batch_list=steps(), data=st.data())
def test_state_survives_a_file(make, batch_list, data):
    loss = trained(make, batch_list)
    file = io.BytesIO()
    torch.save(loss.state_dict(), file)
    file.seek(0)
    resumed = fresh(make, batch_list[0][0])
    resumed.load_state_dict(torch.load(file, weights_only=True))
    batch = data.draw(batches(batch_list[0][0].shape[1]))
    assert torch.equal(SameNoise(loss)(*batch), SameNoise(resumed)(*batch))
    assert state_bytes(loss) == state_bytes(resumed)


half_types = st.sampled_from([torch.float16, torch.bfloat16])


@every_class_of_losses
@tries(5)
@given(batch=batches(), dtype=half_types)
def test_half_precision_logits_are_the_same_numbers_in_float32(make, dtype, batch):
    """Not rounded once more: neither the value nor a single count may differ."""
    logits, target = batch[0].to(dtype), batch[1]
    half, single = fresh(make, logits), fresh(make, logits)
    assert torch.equal(SameNoise(half)(logits, target), SameNoise(single)(logits.float(), target))
    assert state_bytes(half) == state_bytes(single)


@every_class_of_losses
@tries(6)
@given(batch_list=steps(), dtype=half_types)
def test_half_precision_module_is_the_same_module(make, dtype, batch_list):
    """``bf16-true`` and ``16-true`` call ``module.to(dtype)``."""
    loss = trained(make, batch_list)
    half = copy.deepcopy(loss).to(dtype)
    assert state_bytes(half) == state_bytes(loss)
    assert half.class_pixels.dtype == torch.int64
    for batch in batch_list:
        assert torch.equal(SameNoise(half)(*batch), SameNoise(loss)(*batch))
    assert state_bytes(half) == state_bytes(loss)
