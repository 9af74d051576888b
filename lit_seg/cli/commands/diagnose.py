"""``python -m lit_seg diagnose RUN`` tells whether imbalance is its bottleneck, and what to try."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from lit_seg.cli.commands.run_command import Parser, console_of_width, one_line_errors
from lit_seg.diagnosis.compare_runs import compare
from lit_seg.diagnosis.evidence import weigh
from lit_seg.diagnosis.printing import as_json, show
from lit_seg.diagnosis.run_record import read_run
from lit_seg.diagnosis.verdict import judge
from lit_seg.metrics.task_words import check_known


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Print the diagnosis."""
    sources = "docs/diagnose.md lists the rules, with their thresholds and sources."
    parser = Parser("diagnose", epilog=sources)
    parser.add_argument("run", type=Path, help="the folder of a run")
    parser.add_argument("--against", type=Path, help="a baseline validated on the same images")
    parser.add_argument("--json", action="store_true", help="print the same as JSON")
    asked = "names of classes to show where there are too many to show all"
    parser.add_argument("--classes", nargs="+", default=[], metavar="NAME", help=asked)
    options = parser.parse_args(args)
    run = read_run(options.run)
    check_known(options.classes, run.classes)
    evidence = weigh(run)
    verdict = judge(run, evidence)
    against = options.against and compare(run, read_run(options.against))
    if options.json:
        text = json.dumps(as_json(run, evidence, verdict, against), indent=2, ensure_ascii=False)
        sys.stdout.write(f"{text}\n")
        return 0
    show(console_of_width(120), run, evidence, verdict, against, options.classes)
    return 0
