"""Sums and counts per class of chunks of logits that are in the cache."""

from collections.abc import Sequence
from math import inf, log, prod

import torch
from torch import Tensor

from lit_seg.ops.modulation import Modulation, class_bins
from lit_seg.ops.precision import wide_dtype, widest_float

LOG2_E = 1 / log(2)
"""On the CPU torch's `exp2` takes a fifth of the time of its `exp`, which is not vectorised."""
MOST = 100
"""Powers of 2 below it can be added up over classes without becoming infinite."""
EXACT = 1 << 10
"""With larger differences of logits, these and -log p do not add up to others."""
LANES = 8
"""Tables of sums, which neighbours take in turn: adding waits for the last sum in its place."""
ONE = 1 << 16
"""More than there are classes: added to a class id, it counts the ids in a sum of them."""
HIT_BIT = 32
"""A pixel counts 1, and if it is predicted rightly 1 shifted so far, too: one sum for both."""


class Room:
    """Memory in the dtype of the arithmetic, the same for each chunk: fresh memory takes time."""

    def __init__(self, logits: Tensor) -> None:
        self._memory = logits.new_empty(0, dtype=wide_dtype(logits))

    def of(self, shape: Sequence[int]) -> Tensor:
        """A tensor of this shape, whose values are anything."""
        if self._memory.numel() < prod(shape):
            self._memory = self._memory.new_empty(prod(shape))
        return self._memory[: prod(shape)].view(*shape)


class Totals:
    """The sums and counts of each class, to which chunks of pixels are added.

    Args:
        logits: whose channels are the classes.
        target: whose device is used.
        margin: as in :func:`lit_seg.ops.chunked.forward`, as are the arguments that follow.
        predictions: whether the third row of counts is wanted.
        modulation: of the -log p, or None; not on CUDA.
    """

    def __init__(
        self,
        logits: Tensor,
        target: Tensor,
        margin: Tensor | None,
        predictions: bool,
        modulation: Modulation | None = None,
    ) -> None:
        self.num_classes = logits.shape[1]
        self.margin = None if margin is None else with_void(margin.to(wide_dtype(logits)))
        self.modulation = modulation
        self.by_image = modulation is not None and modulation.by_image
        shape = (*logits.shape[: int(self.by_image)], self.num_classes + 1)
        lanes = max(1, min(LANES, target.numel() // max(1, prod(shape))))
        self._sums = logits.new_zeros(lanes, *shape, dtype=widest_float(logits.device))
        self._counts = target.new_zeros(lanes, *shape)
        self._predicted = target.new_zeros(shape) if predictions else None
        self._lanes = target.new_empty(0)
        self._lowest = logits.new_full((), -inf, dtype=wide_dtype(logits))
        self._room, self._best = Room(logits), Room(logits)

    @property
    def sums(self) -> Tensor:
        """``(C,)``, or ``(N, C)`` by image."""
        return self._sums.sum(0)[..., :-1]

    @property
    def counts(self) -> Tensor:
        """``(2 or 3, C)``, or ``(2 or 3, N, C)`` by image."""
        counts = self._counts.sum(0)
        hits = counts >> HIT_BIT
        rows = [hits, counts - (hits << HIT_BIT)]
        if self._predicted is not None:
            rows.append(self._predicted)
        return torch.stack(rows)[..., :-1]

    def add(
        self,
        x: Tensor,
        label: Tensor,
        lse: Tensor,
        pixels: Tensor | None,
        image: Tensor | None = None,
    ) -> None:
        """Add a chunk, and write its log-sum-exp and, if it is wanted, a number for each pixel.

        Args:
            x: ``(N, C, P)`` logits in the dtype of the arithmetic.
            label: ``(N, P)`` class ids.
            lse: ``(N, P)`` to write to.
            pixels: ``(N, P)`` to write to, or None: the -log p or, with a modulation, the
                derivative of the losses with respect to it.
            image: ``(N, P)`` of :func:`first_places`, where sums are by image.
        """
        bins, own_class = classes_of(label, self.num_classes)
        find = self._find_on_cuda if x.is_cuda else self._find
        self.count(bins, *find(x, bins, own_class, lse), pixels, image)

    def count(
        self,
        bins: Tensor,
        losses: Tensor,
        hits: Tensor,
        predicted: Tensor | None,
        pixels: Tensor | None,
        image: Tensor | None = None,
    ) -> None:
        """Add a chunk by what is known of its pixels.

        Args:
            bins: ``(N, P)`` class ids, C for void.
            losses: ``(N, P)`` -log p.
            hits: ``(N, P)`` whether the true class is predicted.
            predicted: ``(N, P)`` class ids, or None where they are not wanted.
            pixels: as in :meth:`add`, as is ``image``.
            image: ``(N, P)`` or None.
        """
        if self.modulation is not None:
            losses, slopes = self.modulation.losses_and_slopes(losses)
            if pixels is not None:
                pixels.copy_(slopes)
        elif pixels is not None:
            pixels.copy_(losses.where(bins < self.num_classes, 0))
        place = bins if image is None else bins + image
        if self._predicted is not None:
            assert predicted is not None
            other = (place + (predicted - bins)).where(bins < self.num_classes, place)
            _add_at(self._predicted, other, place.new_ones(()).expand(place.shape))
        if bins.is_cuda:  # where numbers for one place are added in no fixed order
            classes = torch.arange(self.num_classes, device=bins.device).view(1, -1, 1)
            mine = torch.where(bins.unsqueeze(1) == classes, losses.unsqueeze(1), 0)
            self._sums[0, :-1] += mine.sum((0, 2), dtype=self._sums.dtype)
        if self._lanes.numel() < place.shape[1]:
            lanes = torch.arange(place.shape[1], device=place.device) % len(self._sums)
            self._lanes = lanes * self._sums[0].numel()
        place = place + self._lanes[: place.shape[1]]
        if not bins.is_cuda:
            _add_at(self._sums, place, losses.to(self._sums.dtype))
        _add_at(self._counts, place, hits.long().bitwise_left_shift_(HIT_BIT).bitwise_or_(1))

    def _find(
        self, x: Tensor, bins: Tensor, own_class: Tensor, lse: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """The -log p of pixels, whether they are hits and, if it is wanted, what is predicted."""
        own = x.gather(1, own_class)
        if self.margin is not None:
            own += self._margins(bins)
        # less the own logit, so that the largest of the others tells whether the pixel is a hit
        powers = torch.sub(x, own, out=self._room.of(x.shape))  # exact where they are alike
        powers.scatter_add_(1, own_class, self._lowest.expand(own.shape))
        largest = powers.amax(1)
        hits = largest < 0
        if largest.count_nonzero() < largest.numel():  # among equals the lowest id
            rows, at = self._rows(x, bins, largest == 0)
            hits[at] = rows.argmax(1) == bins[at]
        predicted = None
        if self._predicted is not None:
            best = torch.ge(powers, largest.unsqueeze(1), out=self._best.of(powers.shape))
            ids = torch.arange(ONE, ONE + self.num_classes, dtype=x.dtype).unsqueeze(1)
            found = best.mul_(ids).sum(1)
            predicted = bins.where(hits, found.long() - ONE)
            unsure = (found < ONE) | (found >= 2 * ONE)  # NaN, or several
            if unsure.any():
                rows, at = self._rows(x, bins, unsure)
                predicted[at] = rows.argmax(1)
        most, limit = largest.amax(), MOST / LOG2_E
        beyond = None if most < limit else (largest - limit).clamp_(min=0)
        if beyond is not None:
            powers.sub_(beyond.unsqueeze(1))
        losses = powers.mul_(LOG2_E).exp2_().sum(1).log1p_()
        if beyond is not None:  # where it is not 0, the 1 in the logarithm is
            losses.add_(beyond)
        # no logit may be above it, whatever rounding makes, or backward finds a p above 1
        torch.maximum(own.squeeze(1) + losses, own.squeeze(1) + largest, out=lse)
        if not most < EXACT:  # or NaN, as void pixels may be
            rows, at = self._rows(x, bins, ~(largest < EXACT))
            losses[at], lse[at] = _of_any_logits(rows, own_class.squeeze(1)[at].unsqueeze(1))
        return losses, hits, predicted

    def _find_on_cuda(
        self, x: Tensor, bins: Tensor, own_class: Tensor, lse: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """As :meth:`_find`, without waiting for the GPU."""
        if self.margin is not None:
            x = x.scatter_add(1, own_class, self._margins(bins))
        losses, wide = _of_any_logits(x, own_class)
        lse.copy_(wide)
        predicted = x.argmax(1)
        return losses, predicted == bins, None if self._predicted is None else predicted

    def _margins(self, bins: Tensor) -> Tensor:
        """``(N, 1, P)`` what is added to the own logits."""
        assert self.margin is not None
        return self.margin.take(bins).neg_().unsqueeze(1)

    def _rows(self, x: Tensor, bins: Tensor, mask: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """``(n, C)`` logits of the pixels where a mask holds, and their index."""
        images, pixels = at = mask.nonzero(as_tuple=True)
        rows = x[images, :, pixels]
        if self.margin is not None:
            label = bins[at].unsqueeze(1)
            rows.scatter_add_(1, label.clamp(max=self.num_classes - 1), -self.margin.take(label))
        return rows, at


def with_void(values: Tensor) -> Tensor:
    """``(*, C + 1)`` values per class, with 0 for void."""
    return torch.cat([values, values.new_zeros(*values.shape[:-1], 1)], -1)


def classes_of(label: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Class ids with C for void, and these as a ``(N, 1, P)`` index, a class for void, too."""
    bins = class_bins(label, num_classes)
    return bins, bins.clamp(max=num_classes - 1).unsqueeze(1)


def first_places(target: Tensor, num_classes: int) -> Tensor:
    """``(N, *)`` where the ``(N, C + 1)`` values of an image begin; few numbers in memory."""
    places = torch.arange(len(target), device=target.device) * (num_classes + 1)
    return places.view(-1, *[1] * (target.ndim - 1)).expand(target.shape)


def _of_any_logits(x: Tensor, own_class: Tensor) -> tuple[Tensor, Tensor]:
    """The -log p and the log-sum-exp, whatever ``(N, C, *)`` logits are."""
    top = x.amax(1, keepdim=True)
    log = (x - top).mul_(LOG2_E).exp2_().sum(1).log_()
    lse = log + top.squeeze(1)
    return log.add_((top - x.gather(1, own_class)).squeeze(1)), lse


def _add_at(table: Tensor, place: Tensor, values: Tensor) -> None:
    table.view(-1).scatter_add_(0, place.flatten(), values.flatten())
