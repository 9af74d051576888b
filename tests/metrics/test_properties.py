"""Counting for any input: hypothesis looks for labels and scores that break it."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lit_seg.metrics import (
    ClassRecall,
    ConfusionMatrix,
    PixelMean,
    confusion_matrix,
    confusion_scores,
    predict_labels,
    recall_counts,
)
from lit_seg.metrics.labels import VOID
from tests.losses import oracle
from tests.losses.strategies import batches, lines, momenta, steps, tries, without_ties
from tests.metrics.test_confusion import slow_confusion

confusions = st.integers(2, 5).flatmap(
    lambda c: arrays.arrays(
        np.int64, (c, c), elements=st.one_of(st.just(0), st.integers(0, 2**40))
    ).map(torch.from_numpy)
)


def updated(metric, batch_list):
    for logits, target in batch_list:
        metric.update(predict_labels(logits), target)
    return metric


def slow_counts(logits, target):
    misses, support = oracle.misses_and_support(logits, target)
    return [[n - miss for n, miss in zip(support, misses, strict=True)], support]


def added(tables):
    """The sum of tables of numbers, entry by entry."""
    return [[sum(cell) for cell in zip(*rows, strict=True)] for rows in zip(*tables, strict=True)]


@tries(60)
@given(batch_list=steps())
def test_counts_of_batches_add_up(batch_list):
    num_classes = batch_list[0][0].shape[1]
    recall = updated(ClassRecall(num_classes), batch_list)
    matrix = updated(ConfusionMatrix(num_classes), batch_list)
    assert recall.counts.tolist() == added([slow_counts(*batch) for batch in batch_list])
    preds = [logits.argmax(1) for logits, _ in batch_list]
    targets = [target for _, target in batch_list]
    tables = [slow_confusion(*pair, num_classes) for pair in zip(preds, targets, strict=True)]
    assert matrix.compute().tolist() == added(tables)
    valid = sum(int((target != VOID).sum()) for target in targets)
    assert recall.counts[1].sum() == matrix.compute().sum() == valid
    # both count the same pixels
    assert torch.equal(recall.counts[0], matrix.confusion.diagonal())
    assert torch.equal(recall.counts[1], matrix.confusion.sum(1))


@tries(40)
@given(batch=lines(), data=st.data())
def test_order_of_pixels_and_names_of_classes(batch, data):
    logits, target = without_ties(batch[0]), batch[1]
    preds, num_classes = predict_labels(logits), logits.shape[1]
    pixels = data.draw(st.permutations(range(target.shape[1])))
    order = torch.tensor(data.draw(st.permutations(range(num_classes))))
    rename = torch.cat([order.argsort(), torch.full((VOID + 1 - num_classes,), VOID)])
    renamed = rename[preds[:, pixels]], rename[target[:, pixels]]
    assert torch.equal(predict_labels(logits[:, order]), rename[preds])
    counts = recall_counts(preds, target, num_classes)
    assert torch.equal(recall_counts(*renamed, num_classes), counts[:, order])
    matrix = confusion_matrix(preds, target, num_classes)
    assert torch.equal(confusion_matrix(*renamed, num_classes), matrix[order][:, order])


@tries(100)
@given(counts=confusions)
def test_scores_are_shares(counts):
    scores = confusion_scores(counts)
    labelled, predicted = counts.sum(1) > 0, counts.sum(0) > 0
    assert torch.equal(scores.recall.isfinite(), labelled)
    enough = predicted & (counts.sum(0) >= 0.01 * counts.sum(1).double())
    assert torch.equal(scores.precision.isfinite(), enough)
    assert torch.equal(scores.iou.isfinite(), labelled | predicted)
    assert scores.num_scored == int((labelled | predicted).sum())
    for score in (scores.iou, scores.recall, scores.precision, scores.pixel_acc.view(1)):
        defined = score[~score.isnan()]
        assert ((defined >= 0) & (defined <= 1)).all()
    both = labelled & predicted
    assert (scores.iou[both] <= scores.recall[both]).all()
    both &= enough
    assert (scores.iou[both] <= scores.precision[both]).all()
    hit = enough & (scores.iou > 0)
    inverse = 1 / scores.recall[hit] + 1 / scores.precision[hit] - 1
    torch.testing.assert_close(1 / scores.iou[hit], inverse)


@tries(60)
@given(counts=confusions)
def test_transposed_confusion_swaps_recall_and_precision(counts):
    scores, swapped = confusion_scores(counts), confusion_scores(counts.T)
    known = swapped.precision.isfinite()
    torch.testing.assert_close(scores.recall[known], swapped.precision[known])
    torch.testing.assert_close(scores.iou, swapped.iou, equal_nan=True)


@tries(60)
@given(
    parts=st.lists(
        st.tuples(st.floats(0, 100, width=32), st.integers(0, 2**31)), min_size=1, max_size=6
    )
)
def test_pixel_mean_equals_numpy(parts):
    means, pixels = zip(*parts, strict=True)
    assume(sum(pixels))
    metric = PixelMean()
    for mean, n in parts:
        metric.update(torch.tensor(mean), torch.tensor(n))
    want = np.average(np.array(means, dtype=np.float64), weights=pixels)
    assert metric.compute().item() == pytest.approx(want, rel=1e-12)


@tries(60)
@given(batch_list=steps(), momentum=momenta, min_misses=st.integers(0, 2))
def test_recall_moves_from_the_old_towards_the_new(batch_list, momentum, min_misses):
    """A present class ends between the two, an absent one stays to the last bit."""
    num_classes = batch_list[0][0].shape[1]
    metric = ClassRecall(num_classes, momentum, min_misses)
    for logits, target in batch_list:
        old = metric.recall.clone()
        hits, support = slow_counts(logits, target)
        metric.update(logits, target)
        metric.advance()
        for c in range(num_classes):
            if not support[c]:
                assert metric.recall[c].numpy().tobytes() == old[c].numpy().tobytes()
                continue
            new = max(min(hits[c], support[c] - min_misses), 0) / support[c]
            before = new if old[c].isnan() else old[c].item()
            low, high = sorted([new, before])
            assert low - 1e-12 <= metric.recall[c].item() <= high + 1e-12
            if momentum == 0:
                assert metric.recall[c].item() == new
            elif high - low > 1e-9:
                assert low < metric.recall[c].item() < high


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@tries(40)
@given(batch=batches())
def test_half_precision_scores_count_as_in_float32(dtype, batch):
    logits, target = batch[0].to(dtype), batch[1]
    assert torch.equal(predict_labels(logits), logits.float().argmax(1))
    strided = logits.movedim(1, -1).contiguous().movedim(-1, 1)
    assert torch.equal(predict_labels(strided), logits.float().argmax(1))
    half, single = ClassRecall(logits.shape[1]), ClassRecall(logits.shape[1])
    half.update(logits, target)
    single.update(logits.float(), target)
    assert torch.equal(half.counts, single.counts)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@tries(20)
@given(batch_list=steps(), momentum=momenta)
def test_half_precision_module_keeps_its_counts_and_recall(dtype, batch_list, momentum):
    num_classes = batch_list[0][0].shape[1]
    metric = updated(ClassRecall(num_classes, momentum), batch_list)
    metric.advance()
    updated(metric, batch_list[:1])
    other = copy.deepcopy(metric)
    matrix = updated(ConfusionMatrix(num_classes), batch_list)
    model = torch.nn.Sequential(other, copy.deepcopy(matrix)).to(dtype)
    assert model[1].confusion.dtype == model[0].counts.dtype == torch.int64
    assert model[0].recall.dtype == torch.float64
    assert torch.equal(model[1].confusion, matrix.confusion)
    for _ in range(2):
        assert torch.equal(other.counts, metric.counts)
        assert other.recall.numpy().tobytes() == metric.recall.numpy().tobytes()
        for each in (metric, other):
            each.advance()
