"""``lit_seg``, or ``python -m lit_seg``: training, and the commands of ``lit_seg.cli.commands``."""

import sys
from importlib.metadata import version

from lit_seg.cli.commands import COMMANDS, TRAINER_COMMANDS, USAGE, load_module
from lit_seg.cli.program import run_program
from lit_seg.errors import RunError, near


def main() -> int:
    """Run the command in ``sys.argv``; returns the exit code."""
    return run_program(_run)


def _run(args: list[str]) -> int:
    """Import what the command needs, and no more, and run it."""
    name = args[0] if args else "--help"
    if name in ("-h", "--help", "help"):
        sys.stdout.write(USAGE)
        return 0 if args else 2
    if name == "--version":
        sys.stdout.write(f"lit_seg {version('lit-seg')}\n")
        return 0
    if name in COMMANDS:
        code: int = load_module(f"lit_seg.cli.commands.{name}").main(args[1:])
        return code
    if name not in TRAINER_COMMANDS and not name.startswith("-"):
        known = near(name, COMMANDS | TRAINER_COMMANDS)
        raise RunError(f"there is no command {name!r}{known}")
    from lit_seg.distributed.rank_variables import check_rank_variables

    check_rank_variables()
    return int(load_module("lit_seg.cli.main").main())  # which imports all of Lightning


if __name__ == "__main__":
    sys.exit(main())
