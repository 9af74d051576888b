"""What a loss finds in its pass over the logits, for others to read: no second pass is needed."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from lit_seg.ops import ClassNLL
from lit_seg.ops.modulation import of_class

_LISTS: list[list["Seen"]] = []


class Seen:
    """A batch as a mean over pixels saw it.

    Attributes:
        counts: ``(3, C)`` int64: pixels of the class that were predicted as it, its pixels, and the
            pixels predicted as it.
        nll: ``(N, *)`` -log p of each pixel, 0 where it is void. As the counts, of the logits as
            the network gave them, whatever the loss adjusts.
        target: ``(N, *)`` int64 labels.
    """

    def __init__(self, plain: ClassNLL, used: ClassNLL, target: Tensor, scale: float) -> None:
        assert plain.pixels is not None
        assert used.pixels is not None
        self.counts = plain.counts
        self.nll = plain.pixels.detach()
        self.target = target
        self._scale = scale
        self._used = used.pixels.detach()
        self._by_class = used.sums.detach() * 0
        self._by_pixel = self._used * 0
        if used.sums.requires_grad:
            used.sums.register_hook(self._add_by_class)  # type: ignore[no-untyped-call]
            used.pixels.register_hook(self._add_by_pixel)  # type: ignore[no-untyped-call]

    def slopes(self) -> Tensor:
        """``(N, *)`` the sum over classes of abs(dL/dz), once there was a backward pass.

        Of logits z of the labels' size: they need not exist.
        """
        factor = of_class(self._by_class.to(self._used.dtype), self.target)
        # the true class has the slope p - 1 times the factor, and the others sum to 1 - p, which is
        # 0 where a pixel is void
        missing = -2 * self._scale * torch.expm1(-self._used)
        return (factor + self._by_pixel).abs() * missing

    # None comes for what the loss does not use
    def _add_by_class(self, gradient: Tensor | None) -> None:
        if gradient is not None:
            self._by_class = self._by_class + gradient

    def _add_by_pixel(self, gradient: Tensor | None) -> None:
        if gradient is not None:
            self._by_pixel = self._by_pixel + gradient


@contextmanager
def record() -> Iterator[list[Seen]]:
    """A list to which each call of a mean over pixels adds what it sees, until the block ends.

    Losses that are no mean of -log p add nothing: the region losses, and those with adjustments
    of their own for each pixel, :class:`SeesawLoss` and :class:`BLVLoss`.

    Example:
        >>> from lit_seg.losses import RecallLoss
        >>> logits = torch.zeros(1, 2, 3, requires_grad=True)
        >>> with record() as batches:
        ...     RecallLoss([9, 1])(logits, torch.tensor([[0, 1, 255]])).backward()
        >>> batches[0].counts.tolist()
        [[1, 0], [1, 1], [2, 0]]
        >>> batches[0].slopes()
        tensor([[0.0000, 0.5000, 0.0000]])
    """
    batches: list[Seen] = []
    _LISTS.append(batches)
    try:
        yield batches
    finally:
        _LISTS[:] = [other for other in _LISTS if other is not batches]


def recording() -> list[Seen] | None:
    """The list of the innermost block, or None outside of any."""
    return _LISTS[-1] if _LISTS else None
