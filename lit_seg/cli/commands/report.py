"""``python -m lit_seg report RUNS... --out FOLDER``: losses compared, as HTML and Markdown."""

import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from lit_seg.cli.commands.run_command import Parser, one_line_errors
from lit_seg.errors import RunError


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Write the report."""
    parser = Parser("report")
    parser.add_argument("runs", nargs="+", type=Path, help="folders of runs, or folders above them")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--baseline", default="ce", help="loss to compare the others with (ce)")
    options = parser.parse_args(args)
    if importlib.util.find_spec("matplotlib") is None:
        raise RunError("a report needs matplotlib: pip install 'lit-seg[notebooks]'")
    from lit_seg.report.write import write_report

    written = write_report(options.runs, options.out, options.baseline)
    pictures = len(written) - 2
    sys.stdout.write(f"{written[0]}  ({written[0].stat().st_size / 1e6:.1f} MB)\n")
    sys.stdout.write(f"{written[1]}  with {pictures} picture{'s' * (pictures != 1)}\n")
    return 0
