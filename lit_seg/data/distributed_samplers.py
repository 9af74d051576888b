"""The samples that each rank sees, as pure functions of (seed, epoch, rank).

Both samplers are a ``DistributedSampler`` of torch, which Lightning leaves in its place.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from torch.utils.data import DistributedSampler

Key = tuple[int, int, int]
"""``(epoch, index, repeat)``: a sample and the seed of its augmentation; ``repeat`` is how many
times the epoch has shown the sample before."""

FILLER = -1
"""The index of a sample that no score counts."""


class TrainSampler(DistributedSampler[Key]):
    """Gives a rank its share of the order of each epoch; all ranks get equally many samples.

    Ranks take turns along one order, so a step of ``k`` ranks with batches of ``b`` sees
    the samples that one process with batches of ``k * b`` sees. The epoch travels with the index,
    so worker processes need no message to know it, and a resumed run needs no state of a random
    generator: it starts at ``epoch`` and skips the samples of it that were ``done`` by all ranks
    together. ``order`` gives the indices of an epoch: always ``size``, the same on all ranks.
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
        self.epoch, self.done = epoch, done

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        if epoch != self.epoch:
            self.epoch, self.done = epoch, 0

    def __iter__(self) -> Iterator[Key]:
        keys = []
        repeats: Counter[int] = Counter()
        for index in self.order(self.epoch):
            keys.append((self.epoch, index, repeats[index]))
            repeats[index] += 1
        ranks = self.num_replicas
        return iter(keys[self.rank :: ranks][self.done // ranks : len(self)])

    def __len__(self) -> int:
        """Samples per whole epoch, also after a resume: the trainer counts on from there."""
        return self.size // self.num_replicas


class EvalSampler(DistributedSampler[Key]):
    """Every sample exactly once over all ranks, in order.

    ``DistributedSampler`` repeats samples: with 7 images on 2 ranks it scores one of them twice.
    Here a rank without a sample gets one ``FILLER``, because all ranks must take part in an
    evaluation: they exchange their counts at its end.
    """

    def __init__(self, size: int, rank: int = 0, ranks: int = 1) -> None:
        super().__init__(range(size), ranks, rank)  # type: ignore[arg-type]
        self.indices = list(range(rank, size, ranks)) or [FILLER]

    def __iter__(self) -> Iterator[Key]:
        return iter([(0, index, 0) for index in self.indices])

    def __len__(self) -> int:
        return len(self.indices)
