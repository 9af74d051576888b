"""A report as one HTML page that loads nothing: style, script, plots and pictures are in it."""

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import singledispatchmethod
from html import escape
from importlib.resources import files

from lit_seg.report.blocks import (
    MARKS,
    Block,
    Cards,
    Cell,
    Choice,
    Figure,
    Legend,
    Pictures,
    Points,
    Report,
    Table,
    Text,
    Tile,
)
from lit_seg.report.figure_files import panel_svg

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def to_html(report: Report) -> str:
    """The page."""
    here = files("lit_seg.report")
    style = (here / "page.css").read_text(encoding="utf-8")
    script = (here / "page.js").read_text(encoding="utf-8")
    page = _Page()
    links = "".join(
        f'<li><a href="#{s.anchor}">{escape(s.title)}</a></li>' for s in report.sections
    )
    body = "\n".join(
        f'<section id="{s.anchor}" aria-labelledby="{s.anchor}-title">\n'
        f'<h2 id="{s.anchor}-title">{escape(s.title)}</h2>\n'
        + "\n".join(page.block(block) for block in s.blocks)
        + "\n</section>"
        for s in report.sections
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(report.title)}</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#main">To the content</a>
<header>
<h1>{escape(report.title)}</h1>
<p class="subtitle">{inline(report.subtitle)}</p>
</header>
<nav aria-label="Sections"><ol>{links}</ol></nav>
<main id="main" tabindex="-1">
{body}
</main>
<script>
{script}</script>
</body>
</html>
"""


def inline(text: str) -> str:
    """Escaped, with ``**bold**`` and ``code`` in backticks."""
    text = escape(text)
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)


class _Page:
    """Renders blocks; numbers what needs an id."""

    def __init__(self) -> None:
        self._ids = 0

    def _id(self) -> str:
        self._ids += 1
        return f"n{self._ids}"

    @singledispatchmethod
    def block(self, block: Block) -> str:
        raise TypeError(f"no HTML for {type(block).__name__}")

    @block.register
    def _(self, block: Text) -> str:
        role = ' role="note"' if block.kind == "warning" else ""
        return f'<p class="{block.kind}"{role}>{inline(block.text)}</p>'

    @block.register
    def _(self, block: Points) -> str:
        role = ' role="note"' if block.kind == "warning" else ""
        items = "".join(f"<li>{inline(item)}</li>" for item in block.items)
        return f'<div class="points {block.kind}"{role}><ul>{items}</ul></div>'

    @block.register
    def _(self, block: Cards) -> str:
        cards = "".join(
            f'<div class="card"><h3>{inline(c.question)}</h3><p class="answer">{inline(c.answer)}'
            f"</p><p>{inline(c.text)}</p></div>"
            for c in block.cards
        )
        return f'<div class="cards">{cards}</div>'

    @block.register
    def _(self, block: Table) -> str:
        caption = self._id()
        left = {0, *block.words}
        head = "".join(
            _heading(name, i in left, block.sortable) for i, name in enumerate(block.columns)
        )
        rows = "".join(
            f"<tr{' class=strong' if i in block.strong else ''}>{_cells(row, left)}</tr>\n"
            for i, row in enumerate(block.rows)
        )
        foot = "".join(f"<tr class=strong>{_cells(row, left)}</tr>\n" for row in block.foot)
        if foot:
            foot = f"<tfoot>\n{foot}</tfoot>"
        return (
            f'<div class="scroll" role="region" aria-labelledby="{caption}" tabindex="0"><table>'
            f'<caption id="{caption}"><span>{inline(block.caption)}</span></caption>'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>{foot}</table></div>"
        )

    @block.register
    def _(self, block: Figure) -> str:
        panels = "".join(
            f'<div class="panel">{_panel_title(p.title)}'
            f'<div class="plot">{panel_svg(p, self._id(), f"{block.alt}: {p.title}")}</div></div>'
            for p in block.panels
        )
        return (
            f'<figure class="plots"><div class="panels">{panels}</div>'
            f"<figcaption>{inline(block.caption)}</figcaption></figure>"
        )

    @block.register
    def _(self, block: Pictures) -> str:
        tiles = "".join(_tile(tile, block) for tile in block.tiles)
        return (
            f'<div class="pictures"><h3>{inline(block.title)}</h3>'
            f'<div class="tiles" style="--columns:{_columns(len(block.tiles))}">{tiles}</div></div>'
        )

    @block.register
    def _(self, block: Legend) -> str:
        entries = "".join(
            f'<li><span class="swatch" style="background:{escape(colour)}"></span>'
            f"{escape(name)}</li>"
            for colour, name in block.entries
        )
        return f'<ul class="legend" aria-label="{escape(block.title)}">{entries}</ul>'

    @block.register
    def _(self, block: Choice) -> str:
        group = self._id()
        buttons = "".join(
            f'<button type="button" aria-pressed="{"true" if i == 0 else "false"}" '
            f'aria-controls="{group}-{i}">{escape(name)}</button>'
            for i, (name, _) in enumerate(block.options)
        )
        parts = "".join(
            f'<div class="option" id="{group}-{i}"><h3>{escape(name)}</h3>'
            + "".join(self.block(inner) for inner in blocks)
            + "</div>"
            for i, (name, blocks) in enumerate(block.options)
        )
        return (
            f'<div class="choice"><div class="buttons" role="group" '
            f'aria-label="{escape(block.label)}">{buttons}</div>{parts}</div>'
        )


def _panel_title(title: str) -> str:
    return f'<p class="title">{inline(title)}</p>' if title else ""


def _columns(tiles: int) -> int:
    """Of rows of at most seven that are as full as each other."""
    return -(-tiles // -(-tiles // 7))


def _heading(name: str, words: bool, sortable: bool) -> str:
    side = "" if words else ' class="number"'
    if not sortable:
        return f'<th scope="col"{side}>{inline(name)}</th>'
    return (
        f'<th scope="col"{side}><button type="button" class="sort">{inline(name)}'
        '<span aria-hidden="true" class="arrow"></span></button></th>'
    )


def _cells(row: Sequence[Cell], left: set[int]) -> str:
    return "".join(_cell(cell, i == 0, i in left) for i, cell in enumerate(row))


def _cell(cell: Cell, first: bool, words: bool) -> str:
    sign = MARKS[cell.mark]
    spoken = {"better": "better: ", "worse": "worse: ", "same": "", "": ""}[cell.mark]
    text = inline(cell.text)
    if sign:
        said = f'<span class="spoken">{spoken}</span>' if spoken else ""
        text = f'<span class="sign" aria-hidden="true">{sign}</span> {said}{text}'
    if cell.note:
        text += f'<span class="note">{inline(cell.note)}</span>'
    value = "" if cell.value is None else f' data-value="{cell.value:.6g}"'
    if first:
        return f'<th scope="row"{value}>{text}</th>'
    kind = " ".join(filter(None, (cell.mark, "words" if words else "")))
    kind = f' class="{kind}"' if kind else ""
    return f"<td{kind}{value}>{text}</td>"


def _tile(tile: Tile, block: Pictures) -> str:
    left, top, width, height = (100 * share for share in block.box)
    lines = "<br>".join(inline(line) for line in tile.lines)
    alt = escape(f"{tile.name} of {block.alt}")
    return (
        f'<figure class="tile"><div class="whole">'
        f'<img alt="{alt}" width="{block.size[0]}" height="{block.size[1]}" '
        f'src="{_data(tile.png, tile.media)}"><span class="box" style="left:{left:.1f}%;'
        f'top:{top:.1f}%;width:{width:.1f}%;height:{height:.1f}%"></span></div>'
        f'<img class="inset" alt="" src="{_data(tile.inset, tile.media)}">'
        f"<figcaption><strong>{escape(tile.name)}</strong>"
        f"{'<br>' if lines else ''}{lines}</figcaption></figure>"
    )


def _data(content: bytes, media: str) -> str:
    return f"data:{media};base64,{b64encode(content).decode()}"
