"""The Tversky index per class: counts, cases and the fold into the buffer."""

import copy
import math
import pickle

import pytest
import torch

from lit_seg.metrics import ClassRecall
from lit_seg.metrics.class_tversky import ClassTversky
from lit_seg.metrics.labels import VOID
from tests.losses import oracle
from tests.losses import oracle_pixelwise as slow
from tests.losses.problems import PROBLEMS, draw, every_problem
from tests.metrics.one_of_two import one_of_two_ranks

NAN = math.nan
CASES = {"recall": (0, 1), "precision": (1, 0), "dice": (0.5, 0.5), "jaccard": (1, 1)}


def same(a, b):
    """Equal to the last bit, NaN included."""
    return a.dtype == b.dtype and a.numpy().tobytes() == b.numpy().tobytes()


def floats(scores):
    return pytest.approx([NAN if s is None else s for s in scores], abs=1e-12, nan_ok=True)


def slow_counts(logits, target):
    """Hits, pixels and predictions of each class."""
    sets = slow.pixel_sets(logits, target)
    return [[len(p & y) for p, y in sets], [len(y) for _, y in sets], [len(p) for p, _ in sets]]


@pytest.mark.parametrize("absent", [(), (0, 3)])
@pytest.mark.parametrize("void", [0.0, 0.5, 1.1])
@pytest.mark.parametrize("shape", [(9, 4), (2, 4, 5, 6), (2, 5, 3, 4, 2)])
def test_counts_equal_the_slow_reading(shape, void, absent):
    logits, target = draw(0, shape, void, absent)
    metric = ClassTversky(shape[1], 0.3, 0.7)
    counts = metric.count(logits.argmax(1), target)
    assert counts.dtype == torch.int64
    assert counts.tolist() == slow_counts(logits, target)
    metric.update(logits, target)
    assert torch.equal(metric.counts, counts)
    metric.update(logits.argmax(1), target)
    assert torch.equal(metric.counts, 2 * counts)


@pytest.mark.parametrize("weights", [(0.3, 0.7), (1.5, 0.2), (0, 0.5)])
@every_problem
def test_index_equals_the_slow_reading(name, weights):
    logits, target = PROBLEMS[name]
    metric = ClassTversky(logits.shape[1], *weights)
    metric.update(logits, target)
    want = [slow.set_metric("tversky", *sets, *weights) for sets in slow.pixel_sets(logits, target)]
    assert metric.compute().tolist() == floats(want)


@pytest.mark.parametrize("case", CASES)
@every_problem
def test_known_metrics_are_cases(name, case):
    logits, target = PROBLEMS[name]
    metric = ClassTversky(logits.shape[1], *CASES[case])
    metric.update(logits, target)
    assert metric.compute().tolist() == floats(slow.next_metrics(None, logits, target, case))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_recall_is_class_recall(momentum):
    metric, recall = ClassTversky(4, 0, 1, momentum), ClassRecall(4, momentum)
    for seed, absent in enumerate([(1,), (), (0, 2)]):
        for each in (metric, recall):
            each.update(*draw(seed, absent=absent))
            each.advance()
        assert same(metric.value, recall.value)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_steps_equal_the_slow_reading(momentum, case):
    metric, want = ClassTversky(4, *CASES[case], momentum), None
    for step, absent in enumerate([(1,), (), (0, 2), (1, 2, 3)]):
        batches = [draw(10 * step + i, absent=absent) for i in range(2)]
        for logits, target in batches:
            logits[:, 3] -= 9 * (step % 2)  # class 3 is predicted in every other step
            metric.update(logits, target)
        union = tuple(map(torch.cat, zip(*batches, strict=True)))
        want = slow.next_metrics(want, *union, case, momentum)
        ahead = metric.compute()  # what the step will give, before it is taken
        assert metric.advance().tolist() == slow_counts(*union)
        assert same(metric.value, ahead)
        assert metric.value.tolist() == floats(want)
        assert not metric.counts.any()


def test_what_is_not_defined_stays():
    """Precision of a class that is not predicted: none at first, then the last one."""
    metric = ClassTversky(3, 1.0, 0.0, momentum=0.5)
    target = torch.tensor([[0, 0, 1, 1]])
    for preds, want in (
        ([0, 0, 0, 0], [0.5, NAN, NAN]),
        ([1, 1, 1, 1], [0.5, 0.5, NAN]),
        ([0, 0, 0, 1], [0.5 * 0.5 + 0.5 * 2 / 3, 0.75, NAN]),
    ):
        metric.update(torch.tensor([preds]), target)
        metric.advance()
        assert metric.value.tolist() == pytest.approx(want, nan_ok=True)


def test_predictions_under_void_are_free():
    metric = ClassTversky(2, 1.0, 0.0)
    metric.update(torch.tensor([[1, VOID, 0, 1]]), torch.tensor([[VOID, VOID, 0, 1]]))
    assert metric.counts.tolist() == [[1, 1]] * 3


@pytest.mark.parametrize(("num_classes", "void"), [(255, 255), (256, 65535), (300, 65535)])
def test_many_classes(num_classes, void):
    """Up to 255 classes void is 255; then that is one of them."""
    metric = ClassTversky(num_classes, 1.0, 1.0)
    last = num_classes - 1
    metric.update(torch.tensor([[last, last, last, 0]]), torch.tensor([[last, void, 254, last]]))
    hits, support, predicted = metric.counts.tolist()
    assert (hits[last], support[last], predicted[last]) == ((1, 2, 2) if last != 254 else (2, 3, 2))
    assert (sum(hits), sum(support), sum(predicted)) == (hits[last], 3, 3)


def test_counts_are_exact_beyond_float32():
    metric = ClassTversky(2, 1.0, 0.0)
    metric.counts += torch.tensor([[2**24, 2**60]] * 3)
    metric.update(torch.tensor([[0, 1]]), torch.tensor([[1, 1]]))  # one wrong and one hit
    assert metric.counts[2].tolist() == [2**24 + 1, 2**60 + 1]
    assert metric.compute()[0] == 2**24 / (2**24 + 1)


def test_sum_over_ranks_comes_before_the_ratio():
    logits, target = draw(20)
    other = torch.tensor([[1, 0, 5, 2], [4, 0, 5, 9], [1, 3, 8, 2]])
    metric = ClassTversky(4, 1.0, 1.0)
    metric.update(logits, target)
    counts = metric.counts + other
    with one_of_two_ranks(other):
        assert torch.equal(metric.advance(), counts)
    hits, support, predicted = counts.double()
    torch.testing.assert_close(metric.value, hits / (support + predicted - hits))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_model_precision_leaves_it_exact(dtype):
    metric = ClassTversky(4, 0.3, 0.7)
    metric.update(*draw(21))
    metric.advance()
    value = metric.value.clone()
    torch.nn.Sequential(metric).to(dtype)
    metric.half()
    assert same(metric.value, value)


def test_copies_and_checkpoints_go_on_alike():
    metric = ClassTversky(4, 0.3, 0.7, momentum=0.8)
    metric.update(*draw(22))
    metric.advance()
    loaded = ClassTversky(4, 0.3, 0.7, momentum=0.8)
    loaded.load_state_dict(copy.deepcopy(metric.state_dict()))
    assert list(metric.state_dict()) == ["value"]
    others = [loaded, pickle.loads(pickle.dumps(metric)), metric.clone()]
    for each in (metric, *others):
        each.update(*draw(23))
        each.advance()
    for other in others:
        assert same(other.value, metric.value)


def test_forward_gives_the_batch_and_gathers():
    metric, whole = ClassTversky(4, 0.3, 0.7), ClassTversky(4, 0.3, 0.7)
    for seed in (24, 25):
        alone = ClassTversky(4, 0.3, 0.7)
        alone.update(*draw(seed))
        assert same(metric(*draw(seed)), alone.compute())
        whole.update(*draw(seed))
    assert same(metric.compute(), whole.compute())


def test_ties_go_to_the_lowest_class():
    metric = ClassTversky(3, 1.0, 0.0)
    metric.update(torch.zeros(1, 3, 4), torch.tensor([[0, 0, 1, 2]]))
    assert metric.compute()[0] == 0.5
    assert metric.counts[2].tolist() == [4, 0, 0]
    assert oracle.predicted([0, 0, 0]) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 1}, "`num_classes` must be at least 2, got 1"),
        ({"momentum": 1.0}, r"`momentum` must be in \[0, 1\), got 1.0"),
        ({"momentum": -0.5}, r"`momentum` must be in \[0, 1\), got -0.5"),
        ({"fp_weight": -1}, "`fp_weight` and `fn_weight` .* not both 0, got -1 and 0.7"),
        ({"fn_weight": -1}, "`fp_weight` and `fn_weight` .* not both 0, got 0.3 and -1"),
    ],
    ids=str,
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ClassTversky(**{"num_classes": 3, "fp_weight": 0.3, "fn_weight": 0.7, **options})


@pytest.mark.parametrize("shape", [(1, 2), (2, 3), (3,)])
def test_shapes_that_differ_are_named(shape):
    metric = ClassTversky(2, 1.0, 1.0)
    with pytest.raises(ValueError, match="`preds` and `target` must have the same shape"):
        metric.update(torch.zeros(shape, dtype=torch.long), torch.zeros(1, 3, dtype=torch.long))


def test_bad_labels_are_named():
    with pytest.raises(ValueError, match=r"0 to 1 or 255 \(void\), got \[2\]"):
        ClassTversky(2, 1.0, 1.0).update(torch.tensor([[0, 0]]), torch.tensor([[0, 2]]))


@pytest.mark.parametrize("wrong", [2, 255, -1])
@pytest.mark.parametrize("metric", [ClassTversky(2, 1.0, 0.0), ClassRecall(2)], ids=repr)
def test_a_prediction_that_is_no_class_is_named(metric, wrong):
    with pytest.raises(ValueError, match=rf"`preds` must hold class ids 0 to 1, got \[{wrong}\]"):
        metric.update(torch.tensor([[wrong, 0]]), torch.tensor([[0, 0]]))
    metric.update(torch.tensor([[wrong, 0]]), torch.tensor([[255, 0]]))  # where nothing is labelled
    metric.reset()
