"""Writes a report as Markdown with the PNG files that it shows."""

from lit_seg.files.escape import markdown, markdown_prose
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
    """Make the text, and the pictures by file name."""
    pictures: dict[str, bytes] = {}
    parts = [f"# {markdown(report.title)}", markdown_prose(report.subtitle)]
    for section in report.sections:
        parts.append(f"## {markdown(section.title)}")
        for block in section.blocks:
            parts += _block(block, pictures)
    return "\n\n".join(filter(None, parts)) + "\n", pictures


def _block(block: Block, pictures: dict[str, bytes]) -> list[str]:
    match block:
        case Text():
            return [("> " if block.kind == "warning" else "") + markdown_prose(block.text)]
        case Table():
            return [f"{markdown_prose(block.caption)}:", _table(block)]
        case Figure():
            pictures[f"{block.name}.png"] = encode(sheet(block.panels, block.columns))
            alt = markdown(block.alt).replace("[", "").replace("]", "")
            return [f"![{alt}]({block.name}.png)", markdown_prose(block.caption)]
        case Legend():
            entries = [f"{markdown(name)} `{colour}`" for colour, name in block.entries]
            return [f"{markdown(block.title)}: " + ", ".join(entries)]
        case Choice():
            parts = []
            for name, option in block.options:
                parts += [f"### {markdown(name)}", *_block(option, pictures)]
            return parts
        case Folded():
            parts = ["<details>", f"<summary>{markdown_prose(block.title)}</summary>"]
            for inner in block.blocks:
                parts += _block(inner, pictures)
            return [*parts, "</details>"]


def _table(table: Table) -> str:
    align = ["---" if i in (0, *table.words) else "---:" for i in range(len(table.columns))]
    lines = [[markdown(name) for name in table.columns], align]
    for i, row in enumerate([*table.rows, *table.foot]):
        lines.append([_cell(cell, i in table.strong and cell is row[0]) for cell in row])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell, strong: bool) -> str:
    text = f"**{markdown(cell.text)}**" if strong else markdown(cell.text)
    text = " ".join(filter(None, (SIGNS[cell.mark], text)))
    return f"{text}<br>{markdown(cell.note)}" if cell.note else text
