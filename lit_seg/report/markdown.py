"""A report as Markdown, and the PNG files that it shows."""

from lit_seg.files.markdown_text import escape
from lit_seg.report.blocks import (
    SIGNS,
    Block,
    Cell,
    Choice,
    Figure,
    Folded,
    Legend,
    Report,
    Table,
    Text,
)
from lit_seg.report.images import encode, sheet


def to_markdown(report: Report) -> tuple[str, dict[str, bytes]]:
    """The text, and the pictures by file name."""
    pictures: dict[str, bytes] = {}
    parts = [f"# {escape(report.title)}", escape(report.subtitle)]
    for section in report.sections:
        parts.append(f"## {escape(section.title)}")
        for block in section.blocks:
            parts += _block(block, pictures)
    return "\n\n".join(filter(None, parts)) + "\n", pictures


def _block(block: Block, pictures: dict[str, bytes]) -> list[str]:
    match block:
        case Text():
            return [("> " if block.kind == "warning" else "") + escape(block.text)]
        case Table():
            return [f"{escape(block.caption)}:", _table(block)]
        case Figure():
            pictures[f"{block.name}.png"] = encode(sheet(block.panels, block.columns))
            alt = escape(block.alt).replace("[", "").replace("]", "")
            return [f"![{alt}]({block.name}.png)", escape(block.caption)]
        case Legend():
            entries = [f"{escape(name)} `{colour}`" for colour, name in block.entries]
            return [f"{escape(block.title)}: " + ", ".join(entries)]
        case Choice():
            parts = []
            for name, option in block.options:
                parts += [f"### {escape(name)}", *_block(option, pictures)]
            return parts
        case Folded():
            parts = ["<details>", f"<summary>{escape(block.title)}</summary>"]
            for inner in block.blocks:
                parts += _block(inner, pictures)
            return [*parts, "</details>"]


def _table(table: Table) -> str:
    align = ["---" if i in (0, *table.words) else "---:" for i in range(len(table.columns))]
    lines = [[escape(name) for name in table.columns], align]
    for i, row in enumerate([*table.rows, *table.foot]):
        lines.append([_cell(cell, i in table.strong and cell is row[0]) for cell in row])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell, strong: bool) -> str:
    text = f"**{escape(cell.text)}**" if strong else escape(cell.text)
    text = " ".join(filter(None, (SIGNS[cell.mark], text)))
    return f"{text}<br>{escape(cell.note)}" if cell.note else text
