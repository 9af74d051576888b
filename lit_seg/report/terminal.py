"""The result of a report for a terminal: the recommendation and the decision table."""

from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from lit_seg.files.escape import terminal
from lit_seg.report.blocks import SIGNS, Report, Table, Text
from lit_seg.report.formatting import NBSP


def show(report: Report, console: Console) -> None:
    """Print the first table of the report without its notes, which 80 columns cannot hold."""
    blocks = report.sections[0].blocks
    table = next(block for block in blocks if isinstance(block, Table))
    shown = RichTable(
        box=box.SIMPLE, pad_edge=False, title=terminal(report.title), title_justify="left"
    )
    for i, name in enumerate(table.columns):
        shown.add_column(terminal(name), justify="left" if i in (0, *table.words) else "right")
    for row in table.rows:
        name, *scores = (" ".join(filter(None, (SIGNS[c.mark], c.text))) for c in row)
        shown.add_row(terminal(name), *(terminal(text.replace(" ", NBSP)) for text in scores))
    console.print(shown)
    for block in blocks:
        if isinstance(block, Text) and block.kind in ("lead", "warning"):
            console.print(terminal(block.text.replace("**", "")))
    console.print(terminal("▲ better, ▼ worse: the 95 % interval of the difference excludes zero."))
