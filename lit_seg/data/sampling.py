"""The samples of an epoch: each image once or rare classes more often, and the share of each rank.

The order of an epoch is a pure function of (seed, epoch), so a resumed run and all ranks agree
without any exchange. The number of samples in an epoch does not depend on the sampling: two runs
that differ only in it take the same number of steps.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from torch.utils.data import DistributedSampler

from lit_seg.errors import DataError

Counts = npt.NDArray[np.int64]
"""Pixels of each class in each image, without void: ``(N, C)``."""
Order = npt.NDArray[np.int64]
"""Indices of images in the order of an epoch: ``(N,)``."""
Key = tuple[int, int, int]
"""``(epoch, index, repeat)``: a sample and the seed of its augmentation; ``repeat`` is how many
times the epoch has shown the sample before."""

FILLER = -1
"""The index of a sample that no score counts."""


class Sampling(ABC):
    """Base of the values of a DataModule's option ``sampling``."""

    def fit(self, counts: Counts) -> None:
        """Prepare for the class counts of the training images; called once."""
        self.counts = counts

    @abstractmethod
    def order(self, seed: int, epoch: int) -> Order:
        """The indices of an epoch's samples, in order."""


class RepeatFactor(Sampling):
    """Repeat-factor sampling: images with a rare class are shown more often.

    With f_c the share of images that contain class c, the weight of an image is the maximum over
    its classes c of max(1, sqrt(threshold / f_c)). The weights, scaled to add up to the number of
    images, are how often an image is expected in an epoch; each epoch rounds this up or down.

    Source: Gupta et al., *LVIS*, CVPR 2019 (arXiv 1908.03195), §4. There an epoch grows; here it
    keeps its length, so an epoch may omit a frequent image.

    Args:
        threshold: share of images below which a class is rare, in (0, 1]. The paper's .001 is for
            its 1203 classes; street scenes have few classes, most of them in most images.
    """

    def __init__(self, threshold: float = 0.5) -> None:
        if not 0 < threshold <= 1:
            raise ValueError(f"`threshold` must be in (0, 1], got {threshold}")
        self.threshold = threshold

    def fit(self, counts: Counts) -> None:
        super().fit(counts)
        present = counts > 0
        share = present.mean(axis=0)
        factors = np.sqrt(self.threshold / np.where(share > 0, share, 1))
        weights = np.where(present, np.maximum(factors, 1), 1).max(axis=1)
        self.expected = weights * (len(weights) / weights.sum())
        """How often each image is expected in an epoch."""

    def order(self, seed: int, epoch: int) -> Order:
        rng = np.random.default_rng((seed, epoch))
        shuffled = rng.permutation(len(self.expected))
        # systematic sampling: one offset for all images keeps the number of samples the same
        ends = np.cumsum(self.expected[shuffled])
        ends[-1] = len(ends)  # the sum may end a rounding error below, and the next one above:
        whole = np.minimum(np.floor(ends + rng.random()), len(ends)).astype(np.int64)
        times: Order = np.diff(whole, prepend=0)
        return rng.permutation(np.repeat(shuffled, times))


class ClassAware(Sampling):
    """Rare-class sampling: draws a class, then an image that contains it.

    The class is drawn with probability softmax((1 - f_c) / temperature), with f_c its share of
    the labelled pixels; the image evenly from those with at least ``min_pixels`` of it (or any,
    where no image has as many).

    Source: Hoyer et al., *DAFormer*, CVPR 2022 (arXiv 2111.14887), §3.3, with its .01 and 3000
    pixels of 512x512. An infinite temperature draws all classes equally often, as Shen
    et al., *Relay backpropagation*, ECCV 2016 (arXiv 1512.05830).

    Args:
        temperature: above 0; the lower it is, the more often the rarest class is drawn.
        min_pixels: pixels of the class that an image needs, before it is resized.
    """

    def __init__(self, temperature: float = 0.01, min_pixels: int = 1) -> None:
        if not temperature > 0:
            raise ValueError(f"`temperature` must be above 0, got {temperature}")
        if min_pixels < 1:
            raise ValueError(f"`min_pixels` must be at least 1, got {min_pixels}")
        self.temperature = temperature
        self.min_pixels = min_pixels

    def fit(self, counts: Counts) -> None:
        super().fit(counts)
        pixels = counts.sum(axis=0)
        self.classes = np.flatnonzero(pixels)
        if not len(self.classes):
            raise DataError(
                "`sampling` ClassAware: all training labels are void, so no class can be drawn; "
                "look at the labels, or leave `sampling` out"
            )
        share = pixels[self.classes] / pixels.sum()
        chances = np.exp((share.min() - share) / self.temperature)  # the largest is 1
        self.chances = chances / chances.sum()
        """Probability of each of ``classes``."""
        self.images = []
        for c in self.classes:
            enough = np.flatnonzero(counts[:, c] >= self.min_pixels)
            self.images.append(enough if len(enough) else np.flatnonzero(counts[:, c]))

    def order(self, seed: int, epoch: int) -> Order:
        rng = np.random.default_rng((seed, epoch))
        size = len(self.counts)
        drawn = rng.choice(len(self.classes), size, p=self.chances)
        places = rng.random(size)
        chosen = [
            self.images[c][int(place * len(self.images[c]))]
            for c, place in zip(drawn, places, strict=True)
        ]
        return np.array(chosen, np.int64)


def shuffled(size: int, seed: int, epoch: int) -> Order:
    """Every image once, in random order: the order without a ``Sampling``."""
    return np.random.default_rng((seed, epoch)).permutation(size)


class TrainSampler(DistributedSampler[Key]):
    """Gives a rank its share of the order of each epoch; all ranks get equally many samples.

    It is a ``DistributedSampler``, as is the other one, because Lightning leaves that in its place.
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
