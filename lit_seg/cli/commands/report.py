"""``python -m lit_seg report RUNS... --out FOLDER``: losses compared, as HTML and Markdown."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from lit_seg.analysis.comparison import compare
from lit_seg.cli.commands.run_command import Parser, console_of_width, one_line_errors, out_folder
from lit_seg.errors import plural
from lit_seg.files.escape import one_line, terminal
from lit_seg.report.blocks import SIGNS, Report, Table
from lit_seg.report.blocks import Text as Paragraph
from lit_seg.report.sections import build
from lit_seg.report.write import write_report


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Write the report."""
    parser = Parser("report")
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs, or folders above them")
    parser.add_argument("--out", type=out_folder, required=True, help="folder to write to")
    parser.add_argument("--baseline", default="ce", help="loss to compare the others with (ce)")
    asked = "names of classes to show where there are too many to show all"
    parser.add_argument("--classes", nargs="+", default=[], metavar="NAME", help=asked)
    options = parser.parse_args(args)
    report = build(compare(options.runs, options.baseline, watched=options.classes))
    written = write_report(report, options.out)
    show(report, console_of_width(120))
    pictures = sum(path.suffix == ".png" for path in written)
    sys.stdout.write(f"{written[0]}  ({written[0].stat().st_size / 1e6:.1f} MB)\n")
    sys.stdout.write(f"{written[1]}  with {plural(pictures, 'picture')}\n")
    return 0


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
