"""Two ranks with uneven shards equal one process that holds all of the batch."""

import contextlib
from collections.abc import Callable, Iterator
from unittest import mock

import pytest
import torch
import torch.distributed as dist

from lit_seg.metrics.labels import VOID
from tests.distributed import run_on_ranks
from tests.losses.every import COUNTS, LOSSES
from tests.losses.problems import draw

COLLECTIVES = [
    name
    for name in (
        *("all_reduce", "all_gather", "all_gather_into_tensor", "all_gather_object", "all_to_all"),
        *("barrier", "broadcast", "broadcast_object_list", "gather", "gather_object", "reduce"),
        *("monitored_barrier", "recv", "reduce_scatter", "reduce_scatter_tensor", "scatter"),
        *("scatter_object_list", "send", "isend", "irecv", "batch_isend_irecv"),
    )
    if hasattr(dist, name)
]

ALL_REDUCES = {
    "OHEMLoss": 2,
    "OHEMLoss,keep=0.3": 2,  # the upper and the lower half of the bits
    "OHEMLoss,threshold=0.5,min_kept=3": 3,  # and how many are above it
    "DeferredReweightingLoss,loss=OHEMLoss,start=0.0": 2,
    "WeightedSumLoss": 2,  # one per part
    "WeightedSumLoss,losses=RecallLoss+PATLoss,factors=0.5+2.0": 2,
}
"""How often ranks wait for each other in a step: once, but for these."""


def shards(step):
    """The step's images for each rank: one and three of them, with little and with much void."""
    if step == 0:  # each rank sees a class that the other does not
        return [draw(0, (1, 4, 5, 6), 0.1, absent=(3,)), draw(1, (3, 4, 5, 6), 0.6, absent=(1,))]
    if step == 1:  # a rank without any valid pixel
        return [draw(2, (1, 4, 5, 6), 1.1), draw(3, (3, 4, 5, 6), 0.3)]
    if step == 2:
        return [draw(4, (3, 4, 5, 6), 0.0, skill=3), draw(5, (1, 4, 5, 6), 0.7, absent=(0,))]
    return [draw(6, (1, 4, 5, 6), 1.1), draw(7, (3, 4, 5, 6), 1.1)]  # nothing but void


STEPS = 4
UNION = [[torch.cat(parts) for parts in zip(*shards(step), strict=True)] for step in range(STEPS)]


def exact_over_ranks():
    """The losses that promise it: not those that draw, nor Lovász of the batch, which sorts it."""
    return [
        make
        for make in LOSSES
        if not make.noisy
        and (make.cls.__name__ != "LovaszSoftmaxLoss" or make.options.get("per_image"))
    ]


@contextlib.contextmanager
def counted() -> Iterator[Callable[[], list[str]]]:
    """Gives a function for the names of the collectives since it was called last."""
    with contextlib.ExitStack() as stack:
        spies = {
            name: stack.enter_context(mock.patch.object(dist, name, wraps=getattr(dist, name)))
            for name in COLLECTIVES
        }

        def since():
            calls = [name for name, spy in spies.items() for _ in range(spy.call_count)]
            for spy in spies.values():
                spy.reset_mock()
            return calls

        yield since


def train(make, batches, calls_since=list):
    """Value, gradient, state and collectives of each step and of a batch in eval mode.

    The parameter is a matrix over the channels, so that a gradient is a sum over pixels as in a
    network; it is not updated, so that the steps do not depend on each other but by the state.
    """
    loss = make(COUNTS)
    steps = []
    for features, target in batches:
        matrix = torch.eye(4, requires_grad=True)
        value = loss(torch.einsum("cf,nfhw->nchw", matrix, features), target)
        (grad,) = torch.autograd.grad(value, matrix)
        # in full by repr, since NaN is not equal to itself
        state = repr({name: tensor.tolist() for name, tensor in loss.state_dict().items()})
        steps.append((value.item(), grad.tolist(), state, calls_since()))
    loss.eval()
    scored = loss(*batches[0]).item()
    return {"steps": steps, "eval": scored, "eval_calls": calls_since()}


def train_shards(rank):
    """Every loss in turn, in one call: a process takes seconds to start."""
    batches = [shards(step)[rank] for step in range(STEPS)]
    with counted() as calls_since:
        return [train(make, batches, calls_since) for make in exact_over_ranks()]


def assert_ranks_equal_one(ranks, one):
    """Losses and gradients in the mean, as DDP takes it, and the state bit by bit."""
    for step, (value, grad, state, _) in enumerate(one["steps"]):
        values, grads, states, _ = zip(*(rank["steps"][step] for rank in ranks), strict=True)
        assert sum(values) / 2 == pytest.approx(value, rel=1e-6), step
        grad, mean_grad = torch.tensor(grad), torch.tensor(grads, dtype=torch.float64).mean(0)
        # an entry is a sum over pixels, in which the largest of them leave their rounding
        rounding = 1e-6 * grad.abs().max().item()
        torch.testing.assert_close(mean_grad.float(), grad, rtol=1e-6, atol=rounding)
        assert states[0] == states[1] == state, step


@pytest.fixture(scope="module")
def ranks():
    """``{loss: [what each rank gives]}``."""
    names = map(repr, exact_over_ranks())
    return dict(zip(names, zip(*run_on_ranks(train_shards), strict=True), strict=True))


every_exact_over_ranks = pytest.mark.parametrize("make", exact_over_ranks(), ids=repr)


@every_exact_over_ranks
def test_two_ranks_equal_one_process(make, ranks):
    with counted() as calls_since:
        one = train(make, UNION, calls_since)
    assert all(calls == [] for *_, calls in one["steps"])  # one process has no one to ask
    assert_ranks_equal_one(ranks[repr(make)], one)


@every_exact_over_ranks
def test_two_ranks_equal_one_another_in_what_they_exchange(make, ranks):
    """Sums and nothing else, equally often on a rank of only void: else the other would wait."""
    want = ["all_reduce"] * ALL_REDUCES.get(repr(make), 1)
    for rank in ranks[repr(make)]:
        assert [calls for *_, calls in rank["steps"]] == [want] * STEPS


@every_exact_over_ranks
def test_eval_exchanges_nothing(make, ranks):
    """Ranks may hold different numbers of validation batches: waiting for another would hang.

    So each scores its own batch as one process would that has trained on all.
    """
    for rank, results in enumerate(ranks[repr(make)]):
        assert results["eval_calls"] == []
        loss = make(COUNTS)
        for batch in UNION:
            loss(*batch)
        want = loss.eval()(*shards(0)[rank]).item()
        assert results["eval"] == pytest.approx(want, rel=1e-6)


def test_the_table_names_losses_that_there_are():
    assert ALL_REDUCES.keys() <= {repr(make) for make in exact_over_ranks()}


def test_nearly_all_losses_are_run():
    left_out = {make.cls.__name__ for make in LOSSES} - {
        make.cls.__name__ for make in exact_over_ranks()
    }
    assert left_out == set()


def test_shards_are_as_uneven_as_described():
    """With even shards a mean over ranks of means would pass."""
    for step in range(STEPS - 1):
        pixels = [int((target != VOID).sum()) for _, target in shards(step)]
        assert min(pixels) * 1.2 < max(pixels)
    assert (UNION[STEPS - 1][1] == VOID).all()
