"""The classes behind the table of losses, which ``python -m lit_seg losses`` prints."""

from collections.abc import Iterator

import lit_seg.losses
from lit_seg.losses.base import CARDS, SegLoss


def every_loss() -> Iterator[type[SegLoss]]:
    """The losses of ``losses.csv``, in its order."""
    return (getattr(lit_seg.losses, name) for name in CARDS)
