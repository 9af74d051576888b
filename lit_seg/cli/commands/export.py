"""``python -m lit_seg export RUN`` writes a run as one file that runs without lit_seg."""

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from lit_seg.cli.commands.run_command import Parser, one_line_errors
from lit_seg.errors import RunError
from lit_seg.export.export_run import export_run
from lit_seg.export.formats import FORMATS


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Export the run, and say how near the file comes to the network."""
    parser = Parser("export", epilog="docs/use.md shows how the files are used.")
    parser.add_argument("run", type=Path, help="the folder of a run, or a checkpoint")
    parser.add_argument("--format", choices=FORMATS, default="pt2", help="pt2 (torch) by default")
    parser.add_argument("--out", type=Path, help="a new folder; exports/<format> of the run")
    parser.add_argument(
        "--check", nargs="+", type=Path, default=(), help="images to compare on; the run's pictures"
    )
    parser.add_argument(
        "--resize", action="store_true", help="bring images to the size of the run's evaluation"
    )
    strength = "strength of the post-hoc balancing of classes; that of the run, 0 for none"
    parser.add_argument("--tau", type=float, help=strength)
    given = parser.parse_args(args)
    if given.tau is not None and not 0 <= given.tau < math.inf:
        raise RunError(f"`tau` must be a number of at least 0, got {given.tau}")
    found = export_run(
        given.run,
        given.format,
        given.out,
        given.check,
        given.resize,
        tau=given.tau,
        tell=lambda text: sys.stderr.write(f"{text}\n"),
    )
    for (height, width), difference in found.differences.items():
        sys.stdout.write(f"largest difference of a logit at {height}x{width}: {difference:.1e}\n")
    sys.stdout.write(f"{found.file}  ({found.file.stat().st_size / 1e6:.1f} MB)\n")
    return 0
