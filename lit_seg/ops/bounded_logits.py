"""What is known of pixels whose logits are so near to 0 that their exponentials can be added up."""

from typing import Any

import torch
from torch import Tensor

from lit_seg.ops.chunk_totals import Totals
from lit_seg.ops.hits import Parts, decided, write_ids
from lit_seg.ops.modulation import LOG2_E
from lit_seg.ops.room import Room

BOUND = 35
"""Logits between it and its negative have exact sums and quotients of exponentials."""


class BoundedLogits:
    """Finds the -log p and the predictions of bands of rows.

    By parts of a band it does what needs all logits, and the rest for the band at once, since each
    call of an operation takes time.

    Args:
        totals: whose margin and modulation are used.
        like: ``(N, H, W)`` in the dtype of the arithmetic.
        longest: rows of a band, at most.
        predictions: whether they are wanted.
    """

    def __init__(self, totals: Totals, like: Tensor, longest: int, predictions: bool) -> None:
        self._totals = totals
        self._best = Room(like)
        self._room = like.new_empty(3 + predictions, longest, 1, like.shape[-1])
        self._lowest = totals.lowest.expand(self._room.shape[1:])

    def find(self, parts: Parts, bins: Tensor, own_class: Tensor, lse: Tensor) -> tuple[Any, ...]:
        """What :meth:`Totals.find` gives, for a band; the next one takes its memory.

        Args:
            parts: rows of the band, and their logits to base 2, which are written to.
            bins: ``(rows, W)`` class ids, C for void.
            own_class: ``(rows, 1, W)`` these, with a class for void, too.
            lse: ``(rows, W)`` to write the log-sum-exp to base 2 to.
        """
        numbers = self._room[:, : len(bins)].unbind()
        for mine, x in parts():
            label = own_class[mine]
            own, largest, powers, *ids = (each[mine] for each in numbers)
            torch.gather(x, 1, label, out=own)
            x.scatter_add_(1, label, self._lowest)
            torch.amax(x, 1, keepdim=True, out=largest)
            if ids:
                write_ids(largest.squeeze(1), x, self._best, ids[0].squeeze(1))
            torch.sum(x.exp2_(), 1, keepdim=True, out=powers)
        label, own, largest, powers, *ids = (each.squeeze(1) for each in (own_class, *numbers))
        if self._totals.margin is not None:
            own -= self._totals.margin.take(bins)
        found = decided(largest.sub_(own), ids[0] if ids else None, label, parts)
        missing = self._totals.missing(powers.mul_(own.neg().exp2_()))
        losses = powers.log1p_()
        torch.add(own, losses, alpha=LOG2_E, out=lse)
        return losses, missing, *found
