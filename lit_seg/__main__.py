"""``lit_seg``, or ``python -m lit_seg``: training, and the commands of ``lit_seg.cli.commands``."""

import sys
from importlib import import_module
from importlib.metadata import version

from lit_seg.cli.commands import COMMANDS, TRAINER_COMMANDS, USAGE
from lit_seg.errors import near
from lit_seg.files.unicode import ensure_utf8


def main() -> int:
    """Run the command in ``sys.argv``; returns the exit code."""
    try:
        ensure_utf8()
        return _run(sys.argv[1:])
    except ModuleNotFoundError as error:
        if (error.name or "lit_seg").startswith("lit_seg"):
            raise
        brings = "`pip install 'lit-seg[train]'` brings all that training needs"
        sys.stderr.write(f"error: the package {error.name} is not installed; {brings}\n")
        return 2
    except KeyboardInterrupt:  # while all that is imported
        sys.stderr.write("stopped\n")
        return 130


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
        code: int = import_module(f"lit_seg.cli.commands.{name}").main(args[1:])
        return code
    if name not in TRAINER_COMMANDS and not name.startswith("-"):
        known = near(name, COMMANDS | TRAINER_COMMANDS)
        sys.stderr.write(f"error: there is no command {name!r}{known}\n")
        return 2
    from lit_seg.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
