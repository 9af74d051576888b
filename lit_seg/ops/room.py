"""Memory that is used again."""

from collections.abc import Sequence
from math import prod

from torch import Tensor

from lit_seg.ops.precision import wide_dtype


class Room:
    """Memory in the dtype of the arithmetic, the same for each chunk: fresh memory takes time."""

    def __init__(self, logits: Tensor) -> None:
        self._memory = logits.new_empty(0, dtype=wide_dtype(logits))

    def of(self, shape: Sequence[int]) -> Tensor:
        """A tensor of this shape, whose values are anything."""
        if self._memory.numel() < prod(shape):
            self._memory = self._memory.new_empty(prod(shape))
        return self._memory[: prod(shape)].view(*shape)
