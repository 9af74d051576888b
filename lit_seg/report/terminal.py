"""Prints the result of a report: the recommendation and the decision table."""

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from lit_seg.files.escape import one_line, terminal
from lit_seg.report.blocks import SIGNS, Report, Table
from lit_seg.report.blocks import Text as Paragraph


def show(report: Report, console: Console) -> None:
    """Print the first table of the report without its notes, which 80 columns cannot hold."""
    blocks = report.sections[0].blocks
    table = next(block for block in blocks if isinstance(block, Table))
    shown = RichTable(
        box=box.SIMPLE,
        pad_edge=False,
        collapse_padding=True,
        title=terminal(report.title),
        title_justify="left",
    )
    for i, name in enumerate(table.columns):
        words = i in (0, *table.words)
        head = terminal(name) if words else Text("\n".join(map(one_line, name.split())))
        shown.add_column(
            head, justify="left" if words else "right", no_wrap=not words, overflow="fold"
        )
    for row in table.rows:
        shown.add_row(*(terminal(" ".join(filter(None, (SIGNS[c.mark], c.text)))) for c in row))
    console.print(shown)
    for block in blocks:
        if isinstance(block, Paragraph) and block.kind in ("lead", "warning"):
            console.print(terminal(block.text.replace("**", "")))
    console.print(terminal("▲ better, ▼ worse: the 95 % interval of the difference excludes zero."))
