"""``python -m lit_seg``: training, and the commands of ``lit_seg.cli.commands``."""

import os
import sys
from importlib import import_module

from lit_seg.cli.commands import COMMANDS
from lit_seg.distributed.rank_variables import check_rank_variables
from lit_seg.errors import RunError, reason_of
from lit_seg.files.unicode import ensure_utf8


def main() -> int:
    """Run the command in ``sys.argv``; returns the exit code."""
    try:
        os.getcwd()
    except FileNotFoundError:  # libraries would fail to load with less helpful words
        sys.stderr.write("error: the working directory was removed; change to another one\n")
        return 2
    try:
        ensure_utf8()
        # Threads of torch that wait for each other sleep. By default they spin, which is as fast on
        # idle cores and several times slower on shared ones. OpenMP reads this when torch loads.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        if os.environ.get("COLUMNS") == "0":  # tables would be printed without a letter
            del os.environ["COLUMNS"]
        if sys.argv[1:2] and sys.argv[1] in COMMANDS:
            command = import_module(f"lit_seg.cli.commands.{sys.argv[1]}")
            code: int = command.main(sys.argv[2:])
            return code
        check_rank_variables()
        try:  # imported late because it imports all of Lightning
            from lit_seg.cli.main import main as run
        except Exception as error:
            raise RunError(
                f"a library cannot be loaded ({type(error).__name__}: {reason_of(error)}); install "
                "lit_seg and what it needs again; `python -c 'import lit_seg.cli.main'` shows where"
            ) from error
        return run()
    except RunError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:  # while all that is imported
        sys.stderr.write("stopped\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
