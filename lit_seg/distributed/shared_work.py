"""Shares work that needs no trainer between the processes that torchrun started."""

import os
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Self, TypeVar

import torch
import torch.distributed as dist

from lit_seg.distributed.meeting import meets_within

T = TypeVar("T")
_LONGEST = timedelta(days=7)
"""How long a rank that is done waits for the others."""
_MEETING = timedelta(minutes=5)
"""How long a rank waits for the others to start."""


class SharedWork:
    """The ranks within its context; without torchrun this process does all of the work."""

    def __init__(self) -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        self.ranks = int(os.environ.get("WORLD_SIZE", "1"))

    def __enter__(self) -> Self:
        if self.ranks > 1:
            if torch.cuda.is_available():
                torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
            with meets_within(_MEETING):
                dist.init_process_group("gloo", timeout=_LONGEST)
        return self

    def __exit__(self, *_: object) -> None:
        if self.ranks > 1:
            dist.destroy_process_group()

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Choose the part of this rank."""
        return items[self.rank :: self.ranks]

    def of_first(self, make: Callable[[], T]) -> T:
        """Make something on the first rank, for all."""
        found = [make() if self.rank == 0 else None]
        if self.ranks > 1:
            dist.broadcast_object_list(found)
        return found[0]  # type: ignore[return-value]

    def of_all(self, own: list[T]) -> list[T]:
        """Join the lists of all ranks, once all of them are here."""
        found: list[list[T]] = [own] * self.ranks
        if self.ranks > 1:
            dist.all_gather_object(found, own)
        return [each for part in found for each in part]
