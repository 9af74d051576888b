"""``python -m lit_seg report RUNS... --out FOLDER``: losses compared, as HTML and Markdown."""

import sys
from collections.abc import Sequence
from pathlib import Path

from lit_seg.analysis.comparison import compare
from lit_seg.cli.commands.run_command import Parser, console_of_width, one_line_errors
from lit_seg.errors import plural
from lit_seg.report.sections import build
from lit_seg.report.terminal import show
from lit_seg.report.write import write_report


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Write the report."""
    parser = Parser("report")
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs, or folders above them")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
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
