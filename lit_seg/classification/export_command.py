"""``python -m lit_seg.classification export RUN`` writes one file that runs without lit_seg."""

import sys
from collections.abc import Sequence
from pathlib import Path

from lit_seg.classification.parser import ClassifierParser
from lit_seg.classification.use import FORMATS, export_classifier
from lit_seg.cli.commands.run_command import one_line_errors


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Export the run, and say how near the file comes to the classifier."""
    parser = ClassifierParser("export")
    parser.add_argument("run", type=Path, help="the folder of a run, or a checkpoint")
    parser.add_argument("--format", choices=FORMATS, default="pt2", help="pt2 (torch) by default")
    parser.add_argument("--out", type=Path, help="a folder; exports/<format> of the run")
    given = parser.parse_args(args)
    file, difference = export_classifier(given.run, given.format, given.out)
    sys.stdout.write(f"largest difference of a score: {difference:.1e}\n{file}\n")
    return 0
