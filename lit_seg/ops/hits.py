"""Which pixels are predicted rightly, and as what.

The prediction is the class with the largest logit, and among equals that of the lowest id. Equals
are rare: they are looked for at once, and only the logits of their pixels are looked at again.
"""

from collections.abc import Callable, Iterable
from math import inf

import torch
from torch import Tensor

from lit_seg.ops.room import Room

ONE = 1 << 16
"""More than there are classes: added to a class id, it counts the ids in a sum of them."""

Parts = Callable[[], Iterable[tuple[slice, Tensor]]]
"""Gives slices of the first dimension of ``(N, P)`` pixels, and the ``(n, C, P)`` logits there."""


def write_ids(largest: Tensor, others: Tensor, best: Room, out: Tensor) -> Tensor:
    """Write the sum of the ids, each plus :data:`ONE`, of the classes with the largest logit.

    Args:
        largest: ``(N, P)`` largest of the logits.
        others: ``(N, C, P)`` logits without those of the own class, which is minus infinity.
        best: memory.
        out: ``(N, P)`` to write to.
    """
    places = torch.ge(others, largest.unsqueeze(1), out=best.of(others.shape))
    ids = torch.arange(ONE, ONE + others.shape[1], dtype=others.dtype).expand(len(places), 1, -1)
    # into memory that is there, as autocast rounds other products
    torch.bmm(ids, places, out=out.unsqueeze(1))
    return out


def decided(against: Tensor, ids: Tensor | None, label: Tensor, parts: Parts) -> list[Tensor]:
    """``(N, P)`` whether pixels are hits and, if ids are given, the class ids predicted.

    Args:
        against: ``(N, P)`` the largest logit of the other classes less the own one.
        ids: ``(N, P)`` what :func:`write_ids` gives of the other classes.
        label: ``(N, P)`` class ids.
        parts: of the logits, with anything for the own class.
    """

    def best_other(mask: Tensor) -> Tensor:
        found = []
        for part, x in parts():
            own = label[part][mask[part]].unsqueeze(1)
            found.append(at_pixels(x, mask[part]).scatter_(1, own, -inf).argmax(1))
        return torch.cat(found)

    hits = against < 0
    if against.count_nonzero() < against.numel():
        equal = against == 0
        hits[equal] = label[equal] < best_other(equal)
    if ids is None:
        return [hits]
    predicted, (least, most) = ids.long() - ONE, ids.aminmax()
    if not (least >= ONE and most < 2 * ONE):  # several, or NaN
        unsure = (ids < ONE) | (ids >= 2 * ONE)
        predicted[unsure] = best_other(unsure)
    return [hits, label.where(hits, predicted)]


def at_pixels(x: Tensor, mask: Tensor) -> Tensor:
    """``(n, C)`` logits of the pixels where a ``(N, P)`` mask holds, of ``(N, C, P)`` ones."""
    images, pixels = mask.nonzero(as_tuple=True)
    return x[images, :, pixels]
