"""``python -m lit_seg diagnose RUN`` tells whether imbalance is its bottleneck, and what to try."""

import json
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from rich.console import Console

from lit_seg.cli.commands.run_command import Parser, one_line_errors
from lit_seg.diagnosis.compare_runs import compare
from lit_seg.diagnosis.evidence import weigh
from lit_seg.diagnosis.printing import as_json, show
from lit_seg.diagnosis.run_record import read_run
from lit_seg.diagnosis.verdict import judge


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Print the diagnosis."""
    parser = Parser(
        prog="python -m lit_seg diagnose",
        description="Is class imbalance the bottleneck of a run, and which loss to try next.",
        epilog="docs/diagnose.md lists the rules, with their thresholds and sources.",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, help="the folder of a run")
    parser.add_argument("--against", type=Path, help="a baseline validated on the same images")
    parser.add_argument("--json", action="store_true", help="print the same as JSON")
    options = parser.parse_args(args)
    run = read_run(options.run)
    evidence = weigh(run)
    verdict = judge(run, evidence)
    against = options.against and compare(run, read_run(options.against))
    if options.json:
        text = json.dumps(as_json(run, evidence, verdict, against), indent=2, ensure_ascii=False)
        sys.stdout.write(f"{text}\n")
        return 0
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal without box characters gets ?
        sys.stdout.reconfigure(errors="replace")
    console = Console()
    if not console.is_terminal:
        console.width = 120  # a pipe has no edge to wrap at
    show(console, run, evidence, verdict, against)
    return 0
