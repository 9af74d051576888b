"""What a report is made of, before it is HTML or Markdown.

Texts may hold ``**bold**`` and ``code`` in backticks, nothing else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from matplotlib.axes import Axes

Mark = Literal["", "better", "worse", "same"]
MARKS: dict[Mark, str] = {"": "", "better": "▲", "worse": "▼", "same": "≈"}
"""Said by a sign as well as by a colour."""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: Literal["plain", "lead", "note", "warning"] = "plain"


@dataclass(frozen=True)
class Points:
    """A list."""

    items: Sequence[str]
    kind: Literal["plain", "warning"] = "plain"


@dataclass(frozen=True)
class Card:
    """An answer that is read first: what was asked, the answer, a number, and more words."""

    question: str
    answer: str
    text: str


@dataclass(frozen=True)
class Cards:
    """Answers side by side."""

    cards: Sequence[Card]


@dataclass(frozen=True)
class Cell:
    """Of a table; sorted by ``value`` where there is one."""

    text: str
    note: str = ""
    """Below it, smaller."""
    mark: Mark = ""
    """Against the baseline."""
    value: float | None = None


@dataclass(frozen=True)
class Table:
    """Rows of cells, the first of each row being its heading."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    sortable: bool = False
    strong: Sequence[int] = ()
    """Rows that stand out: those of the baseline."""
    foot: Sequence[Sequence[Cell]] = ()
    """Rows that stay last."""
    words: Sequence[int] = ()
    """Columns of words beside the first: they begin at the left."""


@dataclass(frozen=True)
class Panel:
    """One plot of a figure, sizes in CSS pixels."""

    title: str
    draw: Callable[[Axes], None]
    width: int = 340
    height: int = 260
    left: int = 48
    right: int = 90
    bottom: int = 40
    top: int = 10


@dataclass(frozen=True)
class Figure:
    """Plots side by side, as many as fit; ``name`` is that of its PNG."""

    name: str
    caption: str
    alt: str
    panels: Sequence[Panel]
    columns: int = 3
    """In the PNG."""


@dataclass(frozen=True)
class Tile:
    """A picture, its inset, and what is said below."""

    name: str
    png: bytes
    inset: bytes
    lines: Sequence[str]
    media: str = "image/png"


@dataclass(frozen=True)
class Pictures:
    """An image with its truth and predictions."""

    name: str
    title: str
    tiles: Sequence[Tile]
    box: tuple[float, float, float, float]
    """Of the inset: left, top, width, height as shares of the image."""
    size: tuple[int, int]
    """Width and height of the pictures in pixels."""
    alt: str


@dataclass(frozen=True)
class Legend:
    """Colours and what they stand for."""

    title: str
    entries: Sequence[tuple[str, str]]
    """``#rrggbb`` and name."""


Simple = Text | Points | Cards | Table | Figure | Pictures | Legend


@dataclass(frozen=True)
class Choice:
    """One of several shown at a time, all of them on paper."""

    label: str
    options: Sequence[tuple[str, Sequence[Simple]]]


Block = Simple | Choice


@dataclass(frozen=True)
class Section:
    """A part with a heading; ``anchor`` is its address in the page."""

    anchor: str
    title: str
    blocks: Sequence[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """A whole page."""

    title: str
    subtitle: str
    sections: Sequence[Section]
