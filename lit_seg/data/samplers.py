"""Which samples a rank sees, as pure functions of (seed, epoch, rank).

Both samplers are a ``DistributedSampler`` of torch, which Lightning leaves in its place.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from torch.utils.data import DistributedSampler

Key = tuple[int, int, int]
"""(epoch, index, time): a sample, and what seeds its augmentation: the epoch, and how many times
the sample came in it before."""

FILLER = -1
"""The index of a sample that counts nowhere."""


class TrainSampler(DistributedSampler[Key]):
    """Takes its part of the order of each epoch; every rank gets equally many samples.

    Ranks take turns along one order, so a step of ``k`` ranks with batches of ``b`` sees
    the samples that one process with batches of ``k * b`` sees. The epoch travels with the index,
    so that worker processes need no message to know it, and a resumed run needs no RNG state: it
    starts at ``epoch`` and leaves out what was ``done`` of it.

    Args:
        order: gives the indices of an epoch, always equally many, the same on all ranks.
        size: how many.
        rank: of this process.
        ranks: number of processes.
        epoch: the first one.
        done: samples of the first epoch that the ranks together have seen already.
    """

    def __init__(
        self,
        order: Callable[[int], Sequence[int]],
        size: int,
        rank: int = 0,
        ranks: int = 1,
        epoch: int = 0,
        done: int = 0,
    ) -> None:
        super().__init__(range(size), ranks, rank)  # type: ignore[arg-type]
        self.order = order
        self.size = size
        self.ranks = ranks
        self.epoch = epoch
        self.done = done

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        if epoch != self.epoch:
            self.epoch, self.done = epoch, 0

    def __iter__(self) -> Iterator[Key]:
        keys = _timed(self.epoch, self.order(self.epoch))
        return iter(keys[self.rank :: self.ranks][self.done // self.ranks : len(self)])

    def __len__(self) -> int:
        """Of a whole epoch, also where a part of it is done: the trainer counts on from there."""
        return self.size // self.ranks


def _timed(epoch: int, order: Sequence[int]) -> list[Key]:
    times: Counter[int] = Counter()
    keys = []
    for index in order:
        keys.append((epoch, index, times[index]))
        times[index] += 1
    return keys


class EvalSampler(DistributedSampler[Key]):
    """Every sample exactly once over all ranks, in order.

    ``DistributedSampler`` pads: with 7 images on 2 ranks it scores one of them twice. A rank that
    is left without a sample gets one ``FILLER``, since all ranks must go through an evaluation:
    they exchange their counts at its end.

    Args:
        size: samples in the dataset.
        rank: of this process.
        ranks: number of processes.
    """

    def __init__(self, size: int, rank: int = 0, ranks: int = 1) -> None:
        super().__init__(range(size), ranks, rank)  # type: ignore[arg-type]
        self.indices = list(range(rank, size, ranks)) or [FILLER]

    def __iter__(self) -> Iterator[Key]:
        return iter([(0, index, 0) for index in self.indices])

    def __len__(self) -> int:
        return len(self.indices)
