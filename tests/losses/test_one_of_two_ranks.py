"""What a rank gives while training, if another one takes part: without other processes.

By the formula where the other rank reports given counts, and for every loss with two threads whose
sums meet. Other than with the processes of ``test_distributed``, what runs here counts for coverage
and mutations.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import pytest
import torch
import torch.distributed as dist

from lit_seg.losses import BLVLoss, CrossEntropyLoss, LovaszSoftmaxLoss, RecallLoss, SoftIoULoss
from lit_seg.metrics.labels import VOID
from tests.losses import oracle, oracle_regions
from tests.losses.every import COUNTS, every_loss
from tests.losses.problems import draw, value_and_grad
from tests.losses.test_distributed import (
    STEPS,
    UNION,
    assert_ranks_equal_one,
    every_exact_over_ranks,
    shards,
    train,
)
from tests.metrics.one_of_two import one_of_two_ranks


def on_two_threads(fn):
    """``[fn(0), fn(1)]`` at the same time, where a sum over ranks is one over the two."""
    meeting, parts, rank_of = threading.Barrier(2, timeout=30), [None, None], threading.local()

    def all_reduce(counts):
        parts[rank_of.value] = counts.clone()
        meeting.wait()
        counts.copy_(parts[0] + parts[1])
        meeting.wait()

    def run(rank):
        rank_of.value = rank
        try:
            return fn(rank)
        except BaseException:
            meeting.abort()  # the other one would wait
            raise

    with (
        mock.patch.object(dist, "is_initialized", return_value=True),
        mock.patch.object(dist, "get_world_size", return_value=2),
        mock.patch.object(dist, "all_reduce", all_reduce),
        ThreadPoolExecutor(2) as threads,
    ):
        return list(threads.map(run, range(2)))


@every_exact_over_ranks
def test_two_threads_equal_one(make):
    ranks = on_two_threads(lambda rank: train(make, [shards(step)[rank] for step in range(STEPS)]))
    assert_ranks_equal_one(ranks, train(make, UNION))


@pytest.mark.parametrize("shard", range(2))
def test_lovasz_of_a_batch_is_the_mean_of_the_ranks_that_hold_pixels(shard):
    """Its sorting is not spread over ranks, as it says: each loss is its own rank's."""

    def loss_of(step):
        return on_two_threads(lambda rank: LovaszSoftmaxLoss(COUNTS)(*shards(step)[rank]).item())

    readings = [oracle_regions.lovasz_softmax(*part) for part in shards(0)]
    assert loss_of(0)[shard] == pytest.approx(readings[shard], rel=1e-6)
    # where the first rank has only void, DDP's half must be the whole of the second
    want = [0.0, 2 * oracle_regions.lovasz_softmax(*shards(1)[1])]
    assert loss_of(1)[shard] == pytest.approx(want[shard], rel=1e-6)


def test_ranks_of_one_region_loss_agree_on_its_value():
    """Each has all counts, so each tells the loss of the union, and DDP's mean leaves it."""
    values = on_two_threads(lambda rank: SoftIoULoss(COUNTS)(*shards(0)[rank]).item())
    assert values[0] == values[1]
    assert values[0] == pytest.approx(oracle_regions.soft_iou(*UNION[0]), rel=1e-6)


@pytest.mark.parametrize("noise", ["gaussian", "uniform", "xavier"])
def test_noise_is_over_the_pixels_of_both(noise):
    """With random draws only the normaliser can be compared: 3 pixels here and 7 there."""
    logits, target = draw(3, (1, 4, 3), void=0)
    torch.manual_seed(0)
    alone = BLVLoss(COUNTS, noise=noise)(logits, target).item()
    torch.manual_seed(0)
    with one_of_two_ranks(torch.tensor([0, 7, 0, 0])):
        shared = BLVLoss(COUNTS, noise=noise)(logits, target).item()
    assert shared == pytest.approx(2 * 3 / 10 * alone, rel=1e-6)


def test_cross_entropy_is_over_the_pixels_of_both():
    logits, target = draw(0)
    mine = int((target != VOID).sum())
    with one_of_two_ranks(torch.tensor([0, 7, 0, 0])):
        value = CrossEntropyLoss([1] * 4)(logits, target).item()
    # DDP halves it again
    want = 2 * mine * oracle.cross_entropy(logits, target) / (mine + 7)
    assert value == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("normalizer", ["valid", "weight_sum"])
def test_recall_loss_weighs_by_the_recall_of_both(normalizer):
    logits, target = draw(1)
    misses, support = oracle.misses_and_support(logits, target)
    other = torch.tensor([[1, 0, 5, 2], [4, 0, 5, 9]])  # hits and pixels
    pixels = [n + k for n, k in zip(support, other[1].tolist(), strict=True)]
    hits = [n - m + k for n, m, k in zip(support, misses, other[0].tolist(), strict=True)]
    weights = [1 - hit / n for hit, n in zip(hits, pixels, strict=True)]
    loss = RecallLoss([1] * 4, normalizer=normalizer)
    with one_of_two_ranks(other) as all_reduce:
        value = loss(logits, target).item()
    assert all_reduce.call_count == 1
    assert loss.weight.tolist() == pytest.approx(weights, abs=1e-12)
    parts = zip(weights, pixels, strict=True)
    norm = sum(pixels) if normalizer == "valid" else sum(w * n for w, n in parts)
    nlls = [weights[y] * oracle.nll(s, y) for s, y in oracle.valid_pixels(logits, target)]
    assert value == pytest.approx(2 * sum(nlls) / norm, rel=1e-6)


def test_a_rank_of_only_void_gives_zero_and_still_takes_part():
    logits, target = torch.randn(1, 4, 3), torch.full((1, 3), VOID)
    loss = RecallLoss([1] * 4)
    with one_of_two_ranks(torch.tensor([[1, 0, 0, 0], [4, 0, 0, 0]])) as all_reduce:
        assert loss(logits, target).item() == 0
    assert all_reduce.call_count == 1
    assert loss.state.recall[0] == 0.25


@every_loss
def test_a_rank_of_only_void_has_a_graph_and_no_gradient(make):
    """DDP waits for every parameter's gradient; the other rank's pixels are not this one's."""
    grads = on_two_threads(lambda rank: value_and_grad(make(COUNTS), *shards(1)[rank])[1])
    assert not grads[0].any()
    assert grads[1].any()
    assert grads[1].isfinite().all()


@every_loss
def test_eval_asks_no_one(make):
    """Ranks may hold different numbers of validation batches; the mean is of this one's pixels."""
    batch = draw(2)
    alone = make(COUNTS).eval()(*batch)
    with one_of_two_ranks() as all_reduce:
        value = make(COUNTS).eval()(*batch)
    all_reduce.assert_not_called()
    assert torch.equal(value, alone)
