"""Sums over ranks; two real ranks exchange them in the tests of losses and metrics."""

from unittest import mock

import pytest
import torch
import torch.distributed as dist

from lit_seg.metrics import ClassRecall
from lit_seg.metrics.collectives import (
    gather_over_ranks,
    sum_over_ranks,
    take_from_first_rank,
    world_size,
)
from tests.metrics.one_of_two import one_of_two_ranks


def test_one_process_has_no_one_to_ask():
    counts = torch.tensor([1, 2])
    assert world_size() == 1
    assert sum_over_ranks(counts) is counts


def test_values_are_taken_from_the_first_of_several_ranks():
    """`test_sync_batchnorm` does so on real ranks."""
    values = torch.tensor([1.0])
    with mock.patch.object(dist, "broadcast") as broadcast:
        take_from_first_rank([values])
        broadcast.assert_not_called()
        with one_of_two_ranks():
            take_from_first_rank([values])
    broadcast.assert_called_once_with(values, 0)


@pytest.mark.parametrize("available", [True, False])
def test_torch_built_without_distributed_is_one_process(available):
    with (
        mock.patch.object(dist, "is_available", return_value=available),
        mock.patch.object(dist, "is_initialized", return_value=not available),
        mock.patch.object(dist, "get_world_size", return_value=2),
    ):
        assert world_size() == 1


def test_a_group_of_one_sums_nothing():
    """torchrun with one process."""
    counts = torch.tensor([1, 2])
    with one_of_two_ranks() as all_reduce, mock.patch.object(dist, "get_world_size") as size:
        size.return_value = 1
        assert sum_over_ranks(counts) is counts
    all_reduce.assert_not_called()


def test_sum_leaves_its_operand_alone():
    """The scratch counts of a rank stay its own: a sum put back in them would be summed again."""
    counts = torch.tensor([1.0, 2.0], requires_grad=True)
    with one_of_two_ranks(torch.tensor([10.0, 20.0])) as all_reduce:
        assert world_size() == 2
        total = sum_over_ranks(counts)
    assert total.tolist() == [11, 22]
    assert not total.requires_grad
    assert counts.tolist() == [1, 2]
    assert all_reduce.call_count == 1


def test_advance_folds_the_counts_of_both_ranks():
    """2 of 3 here and 0 of 5 there are 2 of 8; a mean of ratios would be 1/3."""
    metric = ClassRecall(2, momentum=0.5)
    metric.recall.fill_(1)
    with one_of_two_ranks(torch.tensor([[0, 4], [5, 4]])):
        assert metric.advance(torch.tensor([[2, 0], [3, 0]])).tolist() == [[2, 4], [8, 4]]
    assert metric.recall.tolist() == [0.5 + 0.5 * 2 / 8, 1]
    assert not metric.counts.any()


def test_lists_of_all_ranks_are_joined_in_their_order(monkeypatch):
    assert gather_over_ranks([3, 4]) == [3, 4]  # one process has no one to ask

    def from_both(lists, own):
        lists[:] = [own, [5]]

    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "all_gather_object", from_both)
    assert gather_over_ranks([3, 4]) == [3, 4, 5]
