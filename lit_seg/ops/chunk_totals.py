"""Sums and counts per class of chunks of logits that are in the cache."""

from math import inf, prod
from typing import Any

import torch
from torch import Tensor

from lit_seg.ops.hits import at_pixels, decided, write_ids
from lit_seg.ops.modulation import LOG2_E, Modulation, class_bins
from lit_seg.ops.precision import wide_dtype, widest_float
from lit_seg.ops.room import Room

LEAST = -126
"""Below it `exp2` takes four times as long, and gives next to nothing."""
MOST = 100
"""Powers of 2 below it can be added up over classes without becoming infinite."""
EXACT = 1 << 10
"""With larger differences of logits, these and -log p do not add up to others."""
LANES = 1 << 3
"""Tables of sums, which neighbours take in turn: adding waits for the last sum in its place."""
HIT_BIT = 32
"""A pixel counts 1, and if it is predicted rightly 1 shifted so far, too: one sum for both."""
HIT = 1 << HIT_BIT | 1
"""What such a pixel counts."""


class Totals:
    """The sums and counts of each class, to which chunks of pixels are added.

    Args:
        logits: whose channels are the classes.
        target: whose device is used.
        margin: as in :func:`lit_seg.ops.chunked.forward`, as are the arguments that follow.
        predictions: whether the third row of counts is wanted.
        modulation: of the -log p, or None; not on CUDA.
        scale: what the logits are multiplied by in the softmax.
    """

    def __init__(
        self,
        logits: Tensor,
        target: Tensor,
        margin: Tensor | None,
        predictions: bool,
        modulation: Modulation | None = None,
        scale: float = 1.0,
    ) -> None:
        self.num_classes = logits.shape[1]
        self.scale = scale
        self.margin = None if margin is None else with_void(margin.to(wide_dtype(logits)) / scale)
        self.modulation = modulation
        self.by_image = modulation is not None and modulation.by_image
        shape = (*logits.shape[: int(self.by_image)], self.num_classes + 1)
        tables = LANES if target.numel() >= LANES * prod(shape) else 1
        # a power of 2, so that places are found by a bitwise or, in a third of an addition's time
        size = 1 << (prod(shape) - 1).bit_length()
        self._shape = shape
        self._sums = logits.new_zeros(tables, size, dtype=widest_float(logits.device))
        self._counts = target.new_zeros(tables, size)
        self._predicted = target.new_zeros(shape) if predictions else None
        self.lane = target.new_full((), size if tables > 1 else 0)
        self._lanes = target.new_empty(0)
        self.lowest = logits.new_full((), -inf, dtype=wide_dtype(logits))
        self._room, self._best = Room(logits), Room(logits)

    @property
    def sums(self) -> Tensor:
        """``(C,)``, or ``(N, C)`` by image."""
        return self._of_all_lanes(self._sums)[..., :-1]

    @property
    def counts(self) -> Tensor:
        """``(2 or 3, C)``, or ``(2 or 3, N, C)`` by image."""
        counts = self._of_all_lanes(self._counts)
        hits = counts >> HIT_BIT
        rows = [hits, counts - (hits << HIT_BIT)]
        if self._predicted is not None:
            rows.append(self._predicted)
        return torch.stack(rows)[..., :-1]

    def _of_all_lanes(self, table: Tensor) -> Tensor:
        return table.sum(0)[: prod(self._shape)].view(self._shape)

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
            x: ``(N, C, P)`` logits.
            label: ``(N, P)`` class ids.
            lse: ``(N, P)`` to write to.
            pixels: ``(N, P)`` to write to, or None: the -log p or, with a modulation, the
                derivative of the losses with respect to it.
            image: ``(N, P)`` of :func:`first_places`, where sums are by image.
        """
        bins, own_class = classes_of(label, self.num_classes)
        find = self._find_on_cuda if x.is_cuda else self.find
        self.count(bins, pixels, image, *find(x, bins, own_class, lse))

    def count(
        self,
        bins: Tensor,
        pixels: Tensor | None,
        image: Tensor | None,
        losses: Tensor,
        missing: Tensor | None,
        hits: Tensor,
        predicted: Tensor | None = None,
    ) -> None:
        """Add a chunk by what is known of its pixels.

        Args:
            bins: ``(N, P)`` class ids, C for void.
            pixels: as in :meth:`add`, as is ``image``.
            image: ``(N, P)`` or None.
            losses: ``(N, P)`` -log p.
            missing: ``(N, P)`` 1 - p, if there is a modulation.
            hits: ``(N, P)`` whether the true class is predicted.
            predicted: ``(N, P)`` class ids, where they are wanted.
        """
        if self.modulation is not None:
            losses, slopes = self.modulation.losses_and_slopes(losses, missing)
            if pixels is not None:
                pixels.copy_(slopes)
        elif pixels is not None:
            pixels.copy_(losses.where(bins < self.num_classes, 0))
        place = bins if image is None else bins + image
        if self._predicted is not None:
            assert predicted is not None
            predicted = predicted.where(bins < self.num_classes, bins)
            predicted = predicted if image is None else predicted + image
        if self._lanes.numel() < place.shape[1]:
            self._lanes = lanes(place.shape[1], self.lane)
        place = place | self._lanes[: place.shape[1]]
        if bins.is_cuda:  # where numbers for one place are added in no fixed order
            classes = torch.arange(self.num_classes, device=bins.device).view(1, -1, 1)
            mine = torch.where(bins.unsqueeze(1) == classes, losses.unsqueeze(1), 0)
            self._sums[0, : self.num_classes] += mine.sum((0, 2), dtype=self._sums.dtype)
        else:
            self.add_losses(place, losses.to(self._sums.dtype))
        codes = hits.long().bitwise_left_shift_(HIT_BIT).bitwise_or_(1)
        self.add_codes(place, codes, predicted)

    def add_losses(self, place: Tensor, losses: Tensor, first: int = 0) -> None:
        """Add ``(N, P)`` losses of the dtype of the sums, at places within all lanes and images.

        To all places ``first`` is added.
        """
        _add_at(self._sums, place, losses, first)

    def add_codes(
        self, place: Tensor, codes: Tensor, predicted: Tensor | None = None, first: int = 0
    ) -> None:
        """Count pixels, by codes that are 1 or, for a hit, :data:`HIT`, as :meth:`add_losses` adds.

        The places of ``predicted`` are within one lane.
        """
        _add_at(self._counts, place, codes, first)
        if predicted is not None and self._predicted is not None:
            _add_at(self._predicted, predicted, place.new_ones(()).expand(place.shape), first)

    def find(self, x: Tensor, bins: Tensor, own_class: Tensor, lse: Tensor) -> tuple[Any, ...]:
        """What is known of pixels, as :meth:`count` takes it from ``losses`` on."""
        # copied first: what is gathered from memory takes twice as long to come
        powers = self._room.of(x.shape).copy_(x)
        own, label = self._own(powers, bins, own_class), own_class.squeeze(1)
        # less the own logit, so that the largest of the others tells whether the pixel is a hit
        self._write_others(powers, own, own_class, powers)
        largest, ids = powers.amax(1), None
        if self._predicted is not None:
            ids = write_ids(largest, powers, self._best, torch.empty_like(largest))
        hits = decided(largest, ids, label, lambda: [(slice(None), x)])
        most, to_base_2 = largest.amax(), self.scale * LOG2_E
        base, bound = own, largest
        if not most < MOST / to_base_2:
            beyond = (largest - MOST / to_base_2).clamp_(min=0)
            base, bound = own + beyond, largest - beyond
            self._write_others(x, base, own_class, powers)
        if to_base_2 != 1:
            powers.mul_(to_base_2)
        if self.scale > 1:  # then logits are far apart
            powers.clamp_(min=LEAST)
        odds = powers.exp2_().sum(1)
        missing = self.missing(odds)
        losses = odds.log1p_()
        if self.scale > 1:
            losses.masked_fill_(largest < LEAST / to_base_2, 0)
        # no logit may be above it, whatever rounding makes, or backward finds a p above 1
        torch.maximum(base.add(losses, alpha=1 / self.scale), own + bound, out=lse)
        if base is not own:  # where they differ, the 1 in the logarithm is nothing
            losses.add_(base - own, alpha=self.scale)
        if not most < EXACT:  # or NaN, as void pixels may be
            far = ~(largest < EXACT)
            rows = at_pixels(x, far).to(own.dtype)
            rows.scatter_(1, label[far].unsqueeze(1), own[far].unsqueeze(1))
            losses[far], lse[far] = _of_any_logits(rows, label[far].unsqueeze(1), self.scale)
            if missing is not None:
                missing[far] = -torch.expm1(-losses[far])
        return losses, missing, *hits

    def missing(self, odds: Tensor) -> Tensor | None:
        """1 - p with all its digits, where it is needed, from (1 - p) / p."""
        return None if self.modulation is None else odds / (1 + odds)

    def _find_on_cuda(
        self, x: Tensor, bins: Tensor, own_class: Tensor, lse: Tensor
    ) -> tuple[Any, ...]:
        """As :meth:`find`, without waiting for the GPU."""
        x = x.to(lse.dtype)
        if self.margin is not None:
            x = x.scatter(1, own_class, self._own(x, bins, own_class).unsqueeze(1))
        losses, wide = _of_any_logits(x, own_class, self.scale)
        lse.copy_(wide)
        predicted = x.argmax(1)
        return losses, None, predicted == bins, predicted

    def _write_others(self, x: Tensor, base: Tensor, own_class: Tensor, out: Tensor) -> None:
        """The logits less a ``(N, P)`` base, and minus infinity for the own class."""
        torch.sub(x, base.unsqueeze(1), out=out)  # exact if alike
        out.scatter_add_(1, own_class, self.lowest.expand(own_class.shape))

    def _own(self, x: Tensor, bins: Tensor, own_class: Tensor) -> Tensor:
        """``(N, P)`` logits of the own classes, less the margin."""
        own = x.gather(1, own_class).squeeze(1)
        return own if self.margin is None else own.sub_(self.margin.take(bins))


def lanes(pixels: int, lane: Tensor) -> Tensor:
    """``(P,)`` where the table of each of so many neighbours begins, if one has so many places."""
    return torch.arange(pixels, device=lane.device).bitwise_and_(LANES - 1).mul_(lane)


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


def _of_any_logits(x: Tensor, own_class: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """The -log p and the log-sum-exp over the scale, whatever ``(N, C, *)`` logits are."""
    top = x.amax(1, keepdim=True)
    log = (x - top).mul_(scale * LOG2_E).exp2_().sum(1).log_()
    lse = top.squeeze(1).add(log, alpha=1 / scale)
    return log.add_((top - x.gather(1, own_class)).squeeze(1), alpha=scale), lse


def _add_at(table: Tensor, place: Tensor, values: Tensor, first: int) -> None:
    table.view(-1)[first:].scatter_add_(0, place.flatten(), values.flatten())
