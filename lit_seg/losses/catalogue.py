"""The table of all losses, built from their cards.

``python -m lit_seg losses`` prints it with formulas. ``python -m lit_seg.losses.catalogue`` prints
the table that ``lit_seg.losses`` has in its docstring.
"""

import inspect
import sys
from collections.abc import Iterator

import lit_seg.losses
from lit_seg.losses.base import SegLoss

_HEADS = ("class", "family", "needs", "arXiv", "public code differs")


def every_loss() -> Iterator[type[SegLoss]]:
    """The losses that the package exports, family by family."""
    exported = [getattr(lit_seg.losses, name) for name in lit_seg.losses.__all__]
    classes = [cls for cls in exported if inspect.isclass(cls) and issubclass(cls, SegLoss)]
    losses = [cls for cls in classes if "card" in vars(cls)]  # the bases have none
    order = ("plain", "weighted", "modulated", "adjusted", "overlap", "wrapper")
    return iter(sorted(losses, key=lambda cls: order.index(cls.card.family)))


def table() -> str:
    """The table in reStructuredText."""
    cards = [(cls.__name__, cls.card) for cls in every_loss()]
    rows = [_HEADS, *((name, c.family, c.needs, c.paper, c.differs) for name, c in cards)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = " ".join("=" * width for width in widths)
    lines = [" ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
