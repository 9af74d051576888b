"""``python -m lit_seg``: fit, validate, test, predict, and what ``lit_seg.cli.commands`` lists."""

import sys
from importlib import import_module

from lit_seg.cli.commands import COMMANDS


def main() -> int:
    """Run the command that was asked for; returns the exit code."""
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        command = import_module(f"lit_seg.cli.commands.{sys.argv[1]}")
        code: int = command.main(sys.argv[2:])
        return code
    # only now: it imports all of Lightning
    from lit_seg.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
