"""A report as Markdown, and the PNG files that it shows."""

import io
import math
import re

from PIL import Image, ImageDraw, ImageFont

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
)
from lit_seg.report.figure_files import panels_png

_LINE = 14  # height of a line below a picture, in pixels


def to_markdown(report: Report) -> tuple[str, dict[str, bytes]]:
    """The text, and the pictures by file name."""
    pictures: dict[str, bytes] = {}
    parts = [f"# {_plain(report.title)}", _plain(report.subtitle)]
    for section in report.sections:
        parts.append(f"## {_plain(section.title)}")
        for block in section.blocks:
            parts += _block(block, pictures)
    return "\n\n".join(part for part in parts if part) + "\n", pictures


def _block(block: Block, pictures: dict[str, bytes]) -> list[str]:
    if isinstance(block, Text):
        text = _plain(block.text)
        return [f"> {text}" if block.kind == "warning" else text]
    if isinstance(block, Points):
        return ["\n".join(f"- {_plain(item)}" for item in block.items)]
    if isinstance(block, Cards):
        cards = (f"- {c.question}: **{c.answer}**. {c.text}" for c in block.cards)
        return ["\n".join(map(_plain, cards))]
    if isinstance(block, Table):
        return [_plain(block.caption), _table(block)]
    if isinstance(block, Figure):
        pictures[f"{block.name}.png"] = panels_png(block.panels, block.columns)
        return [f"![{_alt(block.alt)}]({block.name}.png)", _plain(block.caption)]
    if isinstance(block, Pictures):
        pictures[f"{block.name}.png"] = _sheet(block)
        return [f"### {_plain(block.title)}", f"![{_alt(block.alt)}]({block.name}.png)"]
    if isinstance(block, Legend):
        entries = (f"{_plain(name)} `{colour}`" for colour, name in block.entries)
        return [f"{_plain(block.title)}: " + ", ".join(entries)]
    parts = []
    assert isinstance(block, Choice)
    for name, inner in block.options:
        parts.append(f"### {_plain(name)}")
        for part in inner:
            parts += _block(part, pictures)
    return parts


def _table(table: Table) -> str:
    columns = range(len(table.columns))
    lines = [
        "| " + " | ".join(_escape(name) for name in table.columns) + " |",
        "|" + "".join("---|" if i in (0, *table.words) else "---:|" for i in columns),
    ]
    for i, row in enumerate([*table.rows, *table.foot]):
        cells = [_cell(cell) for cell in row]
        if i in table.strong:
            cells[0] = f"**{cells[0]}**"
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(cell: Cell) -> str:
    text = " ".join(filter(None, (MARKS[cell.mark], _escape(cell.text))))
    return f"{text}<br>{_escape(cell.note)}" if cell.note else text


def _escape(text: str) -> str:
    """For a cell of a table."""
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    """A line in which names of classes, runs and options are no HTML, link or picture.

    In code as well, where an entity is shown as it stands: an odd backtick ends it elsewhere.
    """
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    return text.replace("](", "]\\(")


def _alt(text: str) -> str:
    return re.sub(r"[\[\]]", "", _plain(text))


def _sheet(block: Pictures) -> bytes:
    """The tiles side by side, each above its inset and its lines."""
    width = min(320, max(160, block.size[0]))
    height = round(width * block.size[1] / block.size[0])
    inset_height = round(height * 0.75)
    lines = 1 + max(len(tile.lines) for tile in block.tiles)
    columns = min(4, len(block.tiles))
    rows = math.ceil(len(block.tiles) / columns)
    tall = height + 4 + inset_height + 4 + lines * _LINE + 8
    sheet = Image.new("RGB", (columns * (width + 8) + 8, rows * tall + 8), "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(11)
    for i, tile in enumerate(block.tiles):
        x, y = 8 + i % columns * (width + 8), 8 + i // columns * tall
        for content, top, size in (
            (tile.png, y, (width, height)),
            (tile.inset, y + height + 4, (width, inset_height)),
        ):
            with Image.open(io.BytesIO(content)) as image:
                exact = tile.media == "image/png"
                resampling = Image.Resampling.NEAREST if exact else Image.Resampling.BICUBIC
                sheet.paste(image.convert("RGB").resize(size, resampling), (x, top))
        left, above, wide, high = block.box
        corner = (x + left * width, y + above * height)
        end = (corner[0] + wide * width, corner[1] + high * height)
        draw.rectangle((*corner, *end), outline="white", width=2)
        for k, line in enumerate((tile.name, *tile.lines)):
            at = (x, y + height + inset_height + 8 + k * _LINE)
            draw.text(at, line.replace("*", ""), fill="black", font=font)
    file = io.BytesIO()
    sheet.quantize(128).save(file, format="png", optimize=True)
    return file.getvalue()
