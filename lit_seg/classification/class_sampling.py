"""Orders of the training images by class: class-aware, square-root, progressive and reversed.

As in ``lit_seg.data.sampling`` an order is a pure function of (seed, epoch) and as long as the
training set, so that ranks and resumed runs agree; ``TrainSampler`` there takes it. An image has
one class here, so labels stand in place of counts per image, which would not fit into memory with
thousands of classes.
"""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from lit_seg.data.sampling import Order
from lit_seg.errors import DataError

Labels = npt.NDArray[np.int64]
"""The class id of each training image: ``(N,)``."""
Chances = npt.NDArray[np.float64]
"""Probability of each class that has images, ``(K,)``, in the order of their ids."""


class LabelSampling(ABC):
    """Base of the orders by class."""

    def fit(self, labels: Labels) -> None:
        """Prepare for the labels of the training images; called once."""
        self.size = len(labels)
        by_class = np.argsort(labels, kind="stable")
        _, self.counts = np.unique(labels, return_counts=True)
        """Images of each class that has any, ``(K,)``."""
        self.images = np.split(by_class, np.cumsum(self.counts)[:-1])
        """The ids of the images of each of these classes."""

    @abstractmethod
    def order(self, seed: int, epoch: int) -> Order:
        """The ids of an epoch's images, in order; as many as there are training images."""


class ClassCycles(LabelSampling):
    """Class-aware sampling of the published code: all classes in turn, a few images of each.

    Classes come in the order of a shuffled list, which is shuffled anew when it is used up. Each
    turn of a class takes the next ``images_per_class`` images of its own shuffled list, which is
    shuffled anew likewise, so a class with fewer images repeats some in a turn. An epoch goes on
    where the one before ended.

    Source: ``ClassAwareSampler`` of OLTR and of Kang et al., who take 4. There the lists continue
    too, but a new epoch begins a new turn.

    Args:
        images_per_class: in a turn, at least 1.
    """

    def __init__(self, images_per_class: int = 4) -> None:
        if images_per_class < 1:
            raise ValueError(f"`images_per_class` must be at least 1, got {images_per_class}")
        self.images_per_class = images_per_class

    def order(self, seed: int, epoch: int) -> Order:
        # in each round a class has one turn, so that both lists have a place to go on from
        places = np.arange(epoch * self.size, (epoch + 1) * self.size)
        turns, within = np.divmod(places, self.images_per_class)
        rounds, turn = np.divmod(turns, len(self.counts))
        classes = np.empty(self.size, np.int64)
        for number in range(rounds[0], rounds[-1] + 1):
            now = rounds == number
            shuffled = np.random.default_rng((seed, 0, number)).permutation(len(self.counts))
            classes[now] = shuffled[turn[now]]
        takes = rounds * self.images_per_class + within  # how many the class gave before
        order = np.empty(self.size, np.int64)
        by_class = np.argsort(classes, kind="stable")
        for at in np.split(by_class, np.flatnonzero(np.diff(classes[by_class])) + 1):
            order[at] = self._of_class(classes[at[0]], takes[at], seed)
        return order

    def _of_class(self, c: int, takes: Order, seed: int) -> Order:
        """The images of class c at ascending places of its endless list."""
        passes, places = np.divmod(takes, self.counts[c])
        return np.concatenate(
            [
                np.random.default_rng((seed, 1, c, number)).permutation(self.images[c])[
                    places[passes == number]
                ]
                for number in np.unique(passes)
            ]
        )


class DrawnClasses(LabelSampling):
    """Base of the samplings that draw a class, and then any image of it."""

    @abstractmethod
    def chances(self, epoch: int) -> Chances:
        """The probability of each class in an epoch."""

    def order(self, seed: int, epoch: int) -> Order:
        rng = np.random.default_rng((seed, epoch))
        drawn = rng.choice(len(self.counts), self.size, p=self.chances(epoch))
        places = (rng.random(self.size) * self.counts[drawn]).astype(np.int64)
        begins = np.cumsum(self.counts) - self.counts
        order: Order = np.concatenate(self.images)[begins[drawn] + places]
        return order


class ByPower(DrawnClasses):
    r"""Draws class c with probability proportional to :math:`n_c^q`.

    Source: Kang et al., arXiv 1910.09217, Eq. 1. Square-root sampling is q = 1/2; the reversed
    sampler of BBN (Zhou et al., arXiv 1912.02413) is q = -1; 0 draws all classes alike and 1 all
    images.

    Args:
        power: q.

    Raises:
        DataError: in :meth:`chances`, if the images of a class to the power are no number.
    """

    def __init__(self, power: float = 0.5) -> None:
        self.power = power

    def chances(self, epoch: int) -> Chances:
        with np.errstate(all="ignore"):
            weights = self.counts.astype(np.float64) ** self.power
            chances: Chances = weights / weights.sum()
        if not np.isfinite(chances).all():
            raise DataError(
                f"`power` {self.power:g}: {self.counts.max()} images to this power are no number; "
                "take one nearer to 0"
            )
        return chances


class Progressive(DrawnClasses):
    r"""Goes from images alike to classes alike: :math:`(1 - t/T)\, n_c / N + (t/T) / C`.

    Source: Kang et al., arXiv 1910.09217, Eq. 2. As in their code t/T goes from 0 in the first
    epoch to 1 in the last one.

    Args:
        epochs: how many there are, at least 2.
    """

    def __init__(self, epochs: int) -> None:
        if epochs < 2:
            raise ValueError(f"`epochs` must be at least 2, got {epochs}")
        self.epochs = epochs

    def chances(self, epoch: int) -> Chances:
        done = min(1.0, epoch / (self.epochs - 1))
        return (1 - done) * self.counts / self.size + done / len(self.counts)
