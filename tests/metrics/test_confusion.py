"""The confusion matrix, the scores that follow from it, and the prediction it is fed with."""

import math
import pickle

import pytest
import torch
from torchmetrics import MetricCollection

from lit_seg.metrics import (
    ClassRecall,
    ConfusionMatrix,
    confusion_matrix,
    confusion_scores,
    predict_labels,
)
from lit_seg.metrics.labels import VOID
from tests.distributed import run_on_ranks
from tests.losses.problems import draw

NAN = float("nan")


def slow_confusion(preds, target, num_classes):
    """One pixel at a time."""
    counts = [[0] * num_classes for _ in range(num_classes)]
    for pred, label in zip(preds.flatten().tolist(), target.flatten().tolist(), strict=True):
        if label != VOID:
            counts[label][pred] += 1
    return counts


def share(part, whole):
    return part / whole if whole else NAN


def slow_scores(counts):
    """IoU, recall and precision, each from its own count of hits, misses and false alarms.

    A class has a precision only if at least 1 % of its labelled pixels are predicted as it.
    """
    classes = range(len(counts))
    hits = [counts[c][c] for c in classes]
    misses = [sum(counts[c][k] for k in classes if k != c) for c in classes]
    alarms = [sum(counts[k][c] for k in classes if k != c) for c in classes]
    return {
        "iou": [share(hits[c], hits[c] + misses[c] + alarms[c]) for c in classes],
        "recall": [share(hits[c], hits[c] + misses[c]) for c in classes],
        "precision": [
            share(hits[c], hits[c] + alarms[c])
            if 100 * (hits[c] + alarms[c]) >= hits[c] + misses[c]
            else NAN
            for c in classes
        ],
        "pixel_acc": share(sum(hits), sum(hits) + sum(misses)),
    }


def mean_of_defined(values):
    defined = [v for v in values if not math.isnan(v)]
    return share(sum(defined), len(defined))


PROBLEMS = {
    "plain": draw(0),
    "no void": draw(1, void=0.0),
    "only void": draw(2, void=1.1),
    "absent classes": draw(3, (2, 6, 3, 3), absent=(1, 4), skill=5),
    "two classes": draw(4, (2, 2, 5, 6)),
    "no space": draw(5, (30, 5)),
    "255 classes": draw(6, (2, 255, 5, 6)),
}
every_problem = pytest.mark.parametrize(
    ("logits", "target"), PROBLEMS.values(), ids=PROBLEMS.keys()
)


@every_problem
def test_equals_the_slow_reading(logits, target):
    preds, num_classes = logits.argmax(1), logits.shape[1]
    counts = confusion_matrix(preds, target, num_classes)
    assert counts.dtype == torch.int64
    assert counts.tolist() == slow_confusion(preds, target, num_classes)


@every_problem
def test_equals_scikit_learn(logits, target):
    sklearn_metrics = pytest.importorskip("sklearn.metrics")
    valid = target != VOID
    if not valid.any():
        pytest.skip("scikit-learn refuses to count nothing")
    preds, num_classes = logits.argmax(1), logits.shape[1]
    want = sklearn_metrics.confusion_matrix(
        target[valid].numpy(), preds[valid].numpy(), labels=list(range(num_classes))
    )
    assert confusion_matrix(preds, target, num_classes).tolist() == want.tolist()


@every_problem
def test_scores_equal_the_slow_reading(logits, target):
    counts = confusion_matrix(logits.argmax(1), target, logits.shape[1])
    scores, want = confusion_scores(counts), slow_scores(counts.tolist())
    for name, value in want.items():
        assert getattr(scores, name).tolist() == pytest.approx(value, nan_ok=True), name
    for mean, name in (("miou", "iou"), ("macc", "recall"), ("mprec", "precision")):
        value = getattr(scores, mean).item()
        assert value == pytest.approx(mean_of_defined(want[name]), nan_ok=True), mean
    assert scores.num_scored == sum(not math.isnan(v) for v in want["iou"])
    assert torch.equal(scores.confusion, counts)


def test_undefined_scores_are_nan():
    """Class 0 is right, 1 labelled only, 2 predicted only, 3 neither."""
    counts = torch.tensor([[3, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    scores = confusion_scores(counts)
    assert scores.iou.tolist() == pytest.approx([1, 0, 0, NAN], nan_ok=True)
    assert scores.recall.tolist() == pytest.approx([1, 0, NAN, NAN], nan_ok=True)
    assert scores.precision.tolist() == pytest.approx([1, NAN, 0, NAN], nan_ok=True)
    assert scores.num_scored == 3
    assert isinstance(scores.num_scored, int)
    assert scores.miou == pytest.approx(1 / 3)
    assert scores.macc == 0.5
    assert scores.mprec == 0.5
    assert scores.pixel_acc == 0.6


@pytest.mark.parametrize(("predicted", "precision"), [(9, NAN), (10, 1.0)])
def test_precision_counts_from_one_percent_of_the_labelled_pixels_on(predicted, precision):
    """A few pixels that happen to be right are no precision of 100 %, in no table and no mean."""
    scores = confusion_scores(torch.tensor([[100, 0], [1000 - predicted, predicted]]))
    assert scores.precision[1].item() == pytest.approx(precision, nan_ok=True)
    assert scores.mprec == scores.precision[~scores.precision.isnan()].mean()


def test_counts_are_exact_beyond_float32():
    metric = ConfusionMatrix(2)
    metric.confusion += 2**24
    metric.update(torch.tensor([[0, 1]]), torch.tensor([[1, 1]]))
    assert metric.compute().tolist() == [[2**24, 2**24], [2**24 + 1, 2**24 + 1]]
    scores = confusion_scores(metric.compute())
    assert scores.confusion.dtype == torch.int64
    assert scores.precision[0].item() == 2**24 / (2**25 + 1)  # 1/2 in float32


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_model_precision_leaves_it_exact(dtype):
    metric = ConfusionMatrix(2)
    metric.confusion += 2**24 + 1
    torch.nn.Sequential(metric).to(dtype)
    metric.to(dtype)
    assert metric.confusion.dtype == torch.int64
    assert (metric.confusion == 2**24 + 1).all()


def test_batches_add_up():
    metric, want = ConfusionMatrix(4), torch.zeros(4, 4, dtype=torch.long)
    for seed in (7, 8):
        logits, target = draw(seed)
        batch = confusion_matrix(logits.argmax(1), target, 4)
        # 8-bit labels, as datasets keep them: 4 * 255 would wrap around
        assert torch.equal(metric(logits.argmax(1), target.to(torch.uint8)), batch)
        want += batch
    assert torch.equal(metric.compute(), want)
    assert torch.equal(pickle.loads(pickle.dumps(metric)).compute(), want)
    clone = metric.clone()
    metric.reset()
    assert not metric.confusion.any()
    assert torch.equal(clone.compute(), want)
    assert not metric.state_dict()  # nothing of a finished validation in a checkpoint


def test_in_a_collection():
    logits, target = draw(9)
    collection = MetricCollection({"val": ConfusionMatrix(4)}, prefix="x/")
    collection.update(logits.argmax(1), target)
    want = confusion_matrix(logits.argmax(1), target, 4)
    assert torch.equal(collection.compute()["x/val"], want)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="`num_classes` must be at least 2, got 1"):
        ConfusionMatrix(1)


def layouts(logits):
    """The same numbers, laid out in memory in different ways."""
    yield logits
    yield logits.movedim(1, -1).contiguous().movedim(-1, 1)
    yield logits.repeat_interleave(2, -1)[..., ::2]
    yield logits.mT.contiguous().mT


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(5, 3), (2, 4, 9), (2, 4, 5, 6), (2, 255, 3, 4), (1, 1, 2, 2)])
def test_predicts_as_argmax(shape, dtype):
    logits = draw(10, shape)[0].to(dtype)
    # whole numbers, so that most pixels have ties
    for values in (logits, logits.round(), torch.zeros_like(logits)):
        want = values.argmax(1)
        for layout in layouts(values):
            labels = predict_labels(layout)
            assert labels.dtype == torch.int64
            assert torch.equal(labels, want)


def test_lowest_class_wins_a_tie():
    logits = torch.tensor([[0.0, 2.0, 2.0], [-math.inf] * 3, [0.0, -0.0, -1.0], [-1.0, 0.0, 5.0]])
    assert predict_labels(logits).tolist() == [1, 0, 0, 2]
    assert predict_labels(logits.T.contiguous().T).tolist() == [1, 0, 0, 2]


def test_labels_lie_where_the_logits_do():
    """The meta device stands for one that is neither the CPU nor CUDA."""
    assert predict_labels(torch.zeros(2, 4, 3, device="meta")).is_meta


def test_prediction_leaves_the_logits_alone():
    logits = draw(11)[0]
    before = logits.clone()
    predict_labels(logits)
    assert torch.equal(logits, before)


def count_of_rank(rank):
    logits, target = draw(20 + rank, (1 + rank, 4, 5, 6), 0.5 * rank)
    metric = ConfusionMatrix(4)
    metric.update(logits.argmax(1), target)
    return metric.compute().tolist()


def test_two_ranks_equal_one_process():
    metric = ConfusionMatrix(4)
    for rank in range(2):
        logits, target = draw(20 + rank, (1 + rank, 4, 5, 6), 0.5 * rank)
        metric.update(logits.argmax(1), target)
    want = metric.compute().tolist()
    assert run_on_ranks(count_of_rank) == [want, want]


def test_a_collection_does_not_merge_it_with_another_metric() -> None:
    # torchmetrics merges metrics whose states look alike after the first batch
    both = MetricCollection({"recall": ClassRecall(2), "confusion": ConfusionMatrix(2)})
    both.update(torch.tensor([[0, 1]]), torch.tensor([[VOID, VOID]]))
    both.update(torch.tensor([[0, 1]]), torch.tensor([[0, 1]]))
    assert both.compute()["recall"].tolist() == [1, 1]


@pytest.mark.parametrize(("preds", "target"), [([[0, 2]], [[0, 0]]), ([[0, 0]], [[0, -1]])])
def test_a_label_that_is_no_class_is_refused(preds: list, target: list) -> None:
    with pytest.raises(ValueError, match=r"must hold class ids 0 to 1"):
        ConfusionMatrix(2).update(torch.tensor(preds), torch.tensor(target))


def test_labels_of_8_bits_do_not_wrap_around() -> None:
    metric = ConfusionMatrix(20)
    metric.update(torch.tensor([[3]]), torch.tensor([[19]], dtype=torch.uint8))
    assert metric.compute()[19].tolist() == [0, 0, 0, 1] + [0] * 16


def test_a_prediction_of_void_is_refused_unless_nothing_is_labelled() -> None:
    metric = ConfusionMatrix(2)
    with pytest.raises(ValueError, match=r"`preds` must hold class ids 0 to 1, got \[255\]"):
        metric.update(torch.tensor([[VOID]]), torch.tensor([[0]]))
    metric.update(torch.tensor([[VOID, 1]]), torch.tensor([[VOID, 1]]))
    assert metric.compute().tolist() == [[0, 0], [0, 1]]


@pytest.mark.parametrize("metric", [ConfusionMatrix(2), ClassRecall(2)])
def test_shapes_that_would_broadcast_are_refused(metric: object) -> None:
    with pytest.raises(ValueError, match=r"same shape, got \(3,\) and \(3, 1\)"):
        metric.update(torch.zeros(3).long(), torch.zeros(3, 1).long())
