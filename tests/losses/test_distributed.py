"""Two ranks with uneven shards equal one process that holds all of the batch."""

import contextlib
from unittest import mock

import pytest
import torch
import torch.distributed as dist

from lit_seg.labels import VOID
from lit_seg.losses import CrossEntropyLoss, RecallLoss
from tests.distributed import run_on_ranks
from tests.losses.problems import draw

COLLECTIVES = ["all_reduce", "all_gather", "all_gather_object", "broadcast", "barrier"]

LOSSES = [
    (CrossEntropyLoss, {}),
    (RecallLoss, {}),
    (RecallLoss, {"normalizer": "weight_sum"}),
    (RecallLoss, {"momentum": 0.9, "floor_one": True}),
    (RecallLoss, {"momentum": 0.9, "normalizer": "weight_sum"}),
]


def shards(step):
    """The step's images for each rank: one and three of them, with little and with much void."""
    if step == 0:  # each rank sees a class that the other does not
        return [draw(0, (1, 4, 5, 6), 0.1, absent=(3,)), draw(1, (3, 4, 5, 6), 0.6, absent=(1,))]
    if step == 1:  # a rank without any valid pixel
        return [draw(2, (1, 4, 5, 6), 1.1), draw(3, (3, 4, 5, 6), 0.3)]
    return [draw(4, (3, 4, 5, 6), 0.0, skill=3), draw(5, (1, 4, 5, 6), 0.7, absent=(0,))]


def train(cls, options, batches):
    """Losses and gradients of the steps, with the recall after each and the collectives of each.

    The parameter is a matrix over the channels, so that a gradient is a sum over pixels as in a
    network; it is not updated, so that the steps do not depend on each other but by the state.
    """
    with contextlib.ExitStack() as stack:
        collectives = {
            name: stack.enter_context(mock.patch.object(dist, name, wraps=getattr(dist, name)))
            for name in COLLECTIVES
        }

        def calls_since():
            calls = [name for name, spy in collectives.items() for _ in range(spy.call_count)]
            for spy in collectives.values():
                spy.reset_mock()
            return calls

        loss = cls([1] * 4, **options)
        steps = []
        for features, target in batches:
            matrix = torch.eye(4, requires_grad=True)
            value = loss(torch.einsum("cf,nfhw->nchw", matrix, features), target)
            (grad,) = torch.autograd.grad(value, matrix)
            recall = loss.state.recall.tolist() if hasattr(loss, "state") else []
            steps.append((value.item(), grad.tolist(), recall, calls_since()))
        loss.eval()(*batches[-1])
        return {"steps": steps, "eval_calls": calls_since()}


def train_shard(rank, cls, options):
    return train(cls, options, [shards(step)[rank] for step in range(3)])


@pytest.mark.parametrize(("cls", "options"), LOSSES, ids=str)
def test_two_ranks_equal_one_process(cls, options):
    union = [[torch.cat(parts) for parts in zip(*shards(step), strict=True)] for step in range(3)]
    one = train(cls, options, union)
    ranks = run_on_ranks(train_shard, cls, options)
    for step, (value, grad, recall, calls) in enumerate(one["steps"]):
        assert calls == []  # one process has no one to ask
        values, grads, recalls, rank_calls = zip(
            *(rank["steps"][step] for rank in ranks), strict=True
        )
        # DDP averages gradients over ranks, and with them the losses
        assert sum(values) / 2 == pytest.approx(value, rel=1e-6)
        mean_grad = torch.tensor(grads, dtype=torch.float64).mean(0)
        torch.testing.assert_close(
            mean_grad, torch.tensor(grad, dtype=torch.float64), rtol=1e-6, atol=1e-6
        )
        # bit by bit, written in full by repr, since NaN is not equal to itself
        assert repr(recalls[0]) == repr(recalls[1]) == repr(recall)
        assert rank_calls == (["all_reduce"], ["all_reduce"])


@pytest.mark.parametrize(("cls", "options"), LOSSES, ids=str)
def test_eval_exchanges_nothing(cls, options):
    """Ranks may hold different numbers of validation batches: waiting for another would hang."""
    for rank in run_on_ranks(train_shard, cls, options):
        assert rank["eval_calls"] == []


def test_shards_are_as_uneven_as_described():
    """With even shards a mean over ranks of means would pass."""
    for step in range(3):
        pixels = [int((target != VOID).sum()) for _, target in shards(step)]
        assert min(pixels) * 1.2 < max(pixels)
