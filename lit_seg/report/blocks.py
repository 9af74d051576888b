"""The parts of a report before they become HTML or Markdown.

Texts may hold ``**bold**`` and ``code`` in backticks, nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from PIL import Image

Mark = Literal["", "better", "tied", "worse"]
SIGNS: dict[Mark, str] = {"": "", "better": "▲", "tied": "≈", "worse": "▼"}
"""A sign says what the colour of a cell says, for readers who do not see the colour."""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: Literal["plain", "lead", "note", "warning"] = "plain"


@dataclass(frozen=True)
class Cell:
    """A cell of a table."""

    text: str
    note: str = ""  # a second line in smaller letters
    mark: Mark = ""
    value: float | None = None  # the number by which the rows are sorted; None sorts last


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first cell of a row is its heading."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    sortable: bool = False
    strong: Sequence[int] = ()  # indices of the rows of the baseline, which stand out
    foot: Sequence[Sequence[Cell]] = ()  # rows that stay last when the table is sorted
    words: Sequence[int] = ()  # indices of further columns of words, which are aligned to the left


@dataclass(frozen=True)
class Panel:
    """A plot or a picture of a figure, with lines of text below it."""

    title: str
    image: Image.Image
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Figure:
    """Panels side by side; in Markdown one PNG file ``name`` with so many columns."""

    name: str
    alt: str
    caption: str
    panels: Sequence[Panel]
    columns: int = 3


@dataclass(frozen=True)
class Legend:
    """Classes and their colours, ``#rrggbb`` first."""

    title: str
    entries: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Choice:
    """Tables or figures of which the page shows one at a time; a print shows all tables."""

    label: str
    options: Sequence[tuple[str, Table | Figure]]


@dataclass(frozen=True)
class Folded:
    """What a reader opens by its title; a print shows it if it is open."""

    title: str
    blocks: Sequence["Block"]


Block = Text | Table | Figure | Legend | Choice | Folded


@dataclass(frozen=True)
class Section:
    """A part with a heading; ``anchor`` is its address in the page."""

    anchor: str
    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Report:
    """A whole page."""

    title: str
    subtitle: str
    sections: Sequence[Section]
    # CSV files by name, of what is not shown
    tables: Mapping[str, str] = field(default_factory=dict)
