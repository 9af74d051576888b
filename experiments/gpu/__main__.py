"""Prove the project on a GPU: `make gpu`, which runs `python -m experiments.gpu`.

Sections run one after another, the most valuable first, each in its own process and time box. What
fails or takes too long is stopped and stands in the report; the others go on. `gpu.md` and
`gpu.json` in the output folder are written anew after each section, so that a machine that is taken
away leaves all that was measured. `--quick` tries everything on a CPU in seconds.
"""

import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from experiments.gpu.command import check_sections, section_parser
from experiments.gpu.page import write_page
from experiments.gpu.section import run_boxed
from lit_seg.cli.commands.run_command import one_line_errors
from lit_seg.files.atomic_io import writing

SECTIONS = ("machine", "right", "losses", "steps", "trainer", "evidence")
"""In the order of their value."""
SMOKE_SECONDS = 20.0


@one_line_errors
def main(args: Sequence[str]) -> int:
    """Run the sections that are asked for, or all; the exit status says whether all ended well."""
    parser = section_parser("gpu", __doc__, SECTIONS)
    parser.add_argument("--minutes", type=float, default=9.0, help="for all sections together")
    parser.add_argument("--scale", type=float, default=1.0, help="of the sections' time boxes")
    options = parser.parse_args(args)
    check_sections(options.sections, SECTIONS)
    asked = options.sections or SECTIONS
    modules = [f"experiments.gpu.{name}" for name in SECTIONS if name in asked]
    return run_all(modules, options.out, options.minutes, options.scale, options.quick)


def run_all(modules: list[str], out: Path, minutes: float, scale: float, smoke: bool) -> int:
    """Run sections in their boxes, none beyond the end of all; 1 if one did not end well."""
    with writing(out, "another folder by --out"):
        out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * minutes
    well = True
    for module in modules:
        name = module.rpartition(".")[2]
        seconds = SMOKE_SECONDS if smoke else scale * _box(module)
        seconds = min(seconds, end - time.monotonic())
        if seconds < 2:
            print(f"[{name}] left out: no time is left", flush=True)
            well = False
            continue
        status = run_boxed(module, out, seconds, smoke, lambda: write_page(out, SECTIONS))
        print(f"[{name}] {status}", flush=True)
        well &= status == "done"
    return 0 if well else 1


def _box(module: str) -> float:
    """The seconds of a section; one that cannot be imported tells why in its own process."""
    try:
        return float(import_module(module).SECONDS)
    except Exception:  # whatever is missing on a machine that nobody has seen yet
        return SMOKE_SECONDS


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
