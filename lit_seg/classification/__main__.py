"""``python -m lit_seg.classification``: trains, scores and compares classifiers."""

import sys

from lit_seg.classification.commands import COMMANDS, USAGE
from lit_seg.cli.commands import load_module
from lit_seg.cli.program import run_program
from lit_seg.errors import RunError, near


def main() -> int:
    """Run the command in ``sys.argv``; returns the exit code."""
    return run_program(_run)


def _run(args: list[str]) -> int:
    """Import what the command needs, and no more, and run it."""
    name, *others = args or ["--help"]
    if name in ("-h", "--help", "help"):
        sys.stdout.write(USAGE)
        return 0 if args else 2
    if name not in COMMANDS and not name.startswith("-"):
        raise RunError(f"there is no command {name!r}{near(name, COMMANDS)}")
    if name == "export":
        code: int = load_module("lit_seg.classification.export_command").main(others)
        return code
    if name == "download":
        return int(load_module("lit_seg.classification.data.download").main(others))
    from lit_seg.distributed.rank_variables import check_rank_variables

    check_rank_variables()
    if name in ("train", "compare"):
        return int(getattr(load_module("lit_seg.classification.compare"), name)(others))
    return int(load_module("lit_seg.classification.cli").main())


if __name__ == "__main__":
    sys.exit(main())
