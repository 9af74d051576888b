"""Recall per class: counts, the fold into the buffer, and that nothing but it is kept."""

import copy
import pickle

import pytest
import torch
from torchmetrics import MetricCollection

from lit_seg.metrics import ClassRecall, ConfusionMatrix, recall_counts
from lit_seg.metrics.labels import VOID
from tests.distributed import run_on_ranks
from tests.losses import oracle
from tests.losses.problems import draw

NAN = float("nan")


def same(a, b):
    """Equal to the last bit, NaN included."""
    return a.dtype == b.dtype and a.numpy().tobytes() == b.numpy().tobytes()


def updated(*seeds, **options):
    metric = ClassRecall(4, **options)
    for seed in seeds:
        metric.update(*draw(seed, absent=(2,)))
    return metric


@pytest.mark.parametrize("absent", [(), (0, 3)])
@pytest.mark.parametrize("void", [0.0, 0.5, 1.1])
@pytest.mark.parametrize("shape", [(9, 3), (2, 4, 5, 6), (2, 5, 3, 4, 2)])
def test_counts_equal_the_slow_reading(shape, void, absent):
    logits, target = draw(0, shape, void, absent)
    misses, support = oracle.misses_and_support(logits, target)
    hits = [n - miss for n, miss in zip(support, misses, strict=True)]
    counts = recall_counts(logits.argmax(1), target, shape[1])
    assert counts.dtype == torch.int64
    assert counts.tolist() == [hits, support]


def test_predicting_void_is_no_class():
    """Predictions under void are free; a hit needs a label."""
    counts = recall_counts(torch.tensor([VOID, 0, 1]), torch.tensor([VOID, VOID, 1]), 2)
    assert counts.tolist() == [[0, 1], [0, 1]]


def test_255_classes():
    """The highest class is next to void, and 2 C does not fit 8 bits."""
    metric = ClassRecall(255)
    metric.update(torch.tensor([[254, 254, 0]]), torch.tensor([[254, VOID, 254]]).to(torch.uint8))
    assert metric.compute()[254] == 0.5
    assert metric.compute()[:254].isnan().all()


@pytest.mark.parametrize("min_misses", [0, 1])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_steps_equal_the_slow_reading(momentum, min_misses):
    metric = ClassRecall(4, momentum, min_misses)
    want = [None] * 4
    for step, absent in enumerate([(1,), (), (0, 2), (1, 2, 3)]):
        batches = [draw(10 * step + i, absent=absent) for i in range(2)]
        for batch in batches:
            metric.update(*batch)
        logits, target = map(torch.cat, zip(*batches, strict=True))
        counts = oracle.misses_and_support(logits, target)
        want = oracle.next_recall(want, *counts, momentum, bool(min_misses))
        ahead = metric.compute()  # what the step will give, before it is taken
        support = metric.advance()[1]
        assert support.tolist() == counts[1]
        assert same(metric.recall, ahead)
        floats = [NAN if r is None else r for r in want]
        assert metric.recall.tolist() == pytest.approx(floats, abs=1e-12, nan_ok=True)
        assert not metric.counts.any()


def test_min_misses_never_exceed_the_pixels():
    metric = ClassRecall(2, min_misses=5)
    metric.advance(torch.tensor([[3, 20], [3, 20]]))
    assert metric.recall.tolist() == [0, 0.75]


def test_scores_or_labels():
    logits, target = draw(1)
    by_scores, by_labels = ClassRecall(4), ClassRecall(4)
    by_scores.update(logits, target)
    by_labels.update(logits.argmax(1), target)
    assert torch.equal(by_scores.counts, by_labels.counts)


def test_counts_are_exact_beyond_float32():
    """float32 stops at 2**24 and float64 at 2**53."""
    metric = ClassRecall(2)
    metric.counts += torch.tensor([[2**24, 2**60], [2**24, 2**60]])
    metric.update(torch.tensor([[1, 1]]), torch.tensor([[0, 1]]))  # one miss and one hit
    assert metric.counts.tolist() == [[2**24, 2**60 + 1], [2**24 + 1, 2**60 + 1]]
    metric.advance()
    assert metric.recall.tolist() == [2**24 / (2**24 + 1), 1]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_model_precision_leaves_it_exact(dtype):
    metric = updated(2)
    metric.advance()
    metric.update(*draw(3))
    recall, counts = metric.recall.clone(), metric.counts.clone()
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 1, 1), metric)
    model.to(dtype)
    assert model[0].weight.dtype == dtype
    metric.to(dtype)
    metric.half()
    assert same(metric.recall, recall)
    assert same(metric.counts, counts)
    metric.reset()
    assert metric.counts.dtype == torch.int64


def test_follows_the_model_to_its_device():
    """The meta device stands for a GPU."""
    model = torch.nn.Sequential(ClassRecall(4)).to("meta")
    assert model[0].recall.is_meta
    assert model[0].counts.is_meta


def test_reset_keeps_the_recall():
    metric = updated(4)
    metric.advance()
    recall = metric.recall.clone()
    metric.update(*draw(5))
    metric.reset()
    assert not metric.counts.any()
    assert same(metric.recall, recall)


def test_pickled_copy_goes_on_alike():
    metric = updated(6, momentum=0.8, min_misses=1)
    metric.advance()
    metric.update(*draw(7))
    other = pickle.loads(pickle.dumps(metric))
    for each in (metric, other):
        each.update(*draw(8))
        each.advance()
    assert same(other.recall, metric.recall)


def test_state_dict_holds_the_recall_and_no_scratch():
    """Saved counts would be rank 0's share, or count once per rank after a reload."""
    metric = updated(9, momentum=0.8)
    metric.advance()
    state = copy.deepcopy(metric.state_dict())
    assert list(state) == ["value"]
    resumed = ClassRecall(4, momentum=0.8)
    resumed.load_state_dict(state)
    for each in (metric, resumed):
        each.update(*draw(10))
        each.advance()
    assert same(resumed.recall, metric.recall)


def test_forward_gives_the_batch_and_gathers():
    metric = ClassRecall(4)
    batches = [draw(11), draw(12)]
    for batch in batches:
        alone = ClassRecall(4)
        alone.update(*batch)
        assert same(metric(*batch), alone.compute())
    whole = ClassRecall(4)
    whole.update(*map(torch.cat, zip(*batches, strict=True)))
    assert same(metric.compute(), whole.compute())


def test_clone_is_independent():
    metric = updated(13)
    metric.advance()
    recall = metric.recall.clone()
    other = metric.clone()
    assert same(other.recall, recall)
    other.update(*draw(14, skill=-20))
    other.advance()
    assert not same(other.recall, recall)
    assert same(metric.recall, recall)


def test_in_a_collection():
    """Metrics with equal counts share them there; each still folds them by its own momentum."""
    collection = MetricCollection(
        {"now": ClassRecall(4), "slow": ClassRecall(4, 0.9), "confusion": ConfusionMatrix(4)}
    )
    collection["slow"].recall.fill_(0.5)
    for seed in (15, 16):
        logits, target = draw(seed)
        collection.update(logits.argmax(1), target)
    result = collection.compute()
    torch.testing.assert_close(result["slow"], 0.9 * 0.5 + 0.1 * result["now"])
    confusion = result["confusion"].double()
    torch.testing.assert_close(result["now"], confusion.diagonal() / confusion.sum(1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 1}, "`num_classes` must be at least 2, got 1"),
        ({"num_classes": 2, "momentum": 1.0}, r"`momentum` must be in \[0, 1\), got 1.0"),
        ({"num_classes": 2, "momentum": -0.5}, r"`momentum` must be in \[0, 1\), got -0.5"),
        ({"num_classes": 2, "min_misses": -1}, "`min_misses` must not be negative, got -1"),
    ],
    ids=str,
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        ClassRecall(**options)


def step_of_rank(rank):
    """Both roads to a sum over ranks: ours and, for ``compute``, that of torchmetrics."""
    metric = ClassRecall(4, momentum=0.9)
    metric.recall.fill_(0.25)
    metric.update(*draw(20 + rank, (1 + 2 * rank, 4, 5, 6), 0.1 + 0.6 * rank, absent=(rank,)))
    computed = metric.compute().tolist()
    support = metric.advance()[1].tolist()
    return computed, metric.recall.tolist(), support


def test_two_ranks_equal_one_process():
    metric = ClassRecall(4, momentum=0.9)
    metric.recall.fill_(0.25)
    for rank in range(2):
        metric.update(*draw(20 + rank, (1 + 2 * rank, 4, 5, 6), 0.1 + 0.6 * rank, absent=(rank,)))
    support = metric.advance()[1].tolist()
    want = (metric.recall.tolist(), metric.recall.tolist(), support)
    assert run_on_ranks(step_of_rank) == [want, want]


def test_a_step_adds_counts_taken_elsewhere_to_those_of_its_updates() -> None:
    metric = ClassRecall(2)
    metric.update(torch.tensor([[0, 0]]), torch.tensor([[0, 1]]))
    assert metric.compute().tolist() == [1, 0]
    assert metric.advance(torch.tensor([[5, 5], [5, 10]])).tolist() == [[6, 5], [6, 11]]
    assert metric.recall.tolist() == [1, 5 / 11]
    assert not metric.counts.any()


def test_a_label_that_is_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0 to 1 or 255 \(void\), got \[2\]"):
        ClassRecall(2).update(torch.tensor([[0, 0]]), torch.tensor([[0, 2]]))
