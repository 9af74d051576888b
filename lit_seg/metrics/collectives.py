"""Exchanges between ranks: sums in training, lists after a validation."""

from collections.abc import Iterable
from typing import Any

import torch.distributed as dist
from torch import Tensor


def world_size() -> int:
    """Number of processes that train together, 1 without ``torch.distributed``."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def sum_over_ranks(counts: Tensor) -> Tensor:
    """``counts`` summed over all ranks; unchanged with one process. One collective, no gradient."""
    if world_size() == 1:
        return counts
    total = counts.detach().clone()
    dist.all_reduce(total)
    return total


def take_from_first_rank(values: Iterable[Tensor]) -> None:
    """Write the first rank's values over those of the others; nothing with one process."""
    if world_size() > 1:
        for tensor in values:
            dist.broadcast(tensor, 0)


def differentiable_sum_over_ranks(sums: Tensor) -> Tensor:
    """``sums`` summed over all ranks, with the gradient of this rank's part."""
    if world_size() == 1:
        return sums
    return sums + (sum_over_ranks(sums) - sums.detach())


def gather_over_ranks(values: list[Any]) -> list[Any]:
    """The items of all ranks' lists, in the order of ranks; meant for few and small items."""
    if world_size() == 1:
        return values
    lists: list[list[Any]] = [[] for _ in range(world_size())]
    dist.all_gather_object(lists, values)
    return [value for part in lists for value in part]
