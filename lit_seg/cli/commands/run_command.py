"""How commands are called: bad arguments and errors in one line, exit codes as everywhere else."""

import functools
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from typing import NoReturn

from lit_seg.errors import LitSegError, RunError

Command = Callable[[Sequence[str]], int]


class Parser(ArgumentParser):
    """Raises what is wrong with the arguments, in place of a usage and an exit."""

    def error(self, message: str) -> NoReturn:
        raise RunError(f"{message}; see `{self.prog} --help`")


def one_line_errors(main: Command) -> Command:
    """A command that ends with 2 and one line where it raises, and with 130 after Ctrl-C."""

    @functools.wraps(main)
    def command(args: Sequence[str]) -> int:
        try:
            return main(args)
        except (LitSegError, OSError) as error:
            from lit_seg.cli.error_messages import (
                message_of,  # it imports torch, some commands do not
            )

            sys.stderr.write(f"error: {message_of(error, '')}\n")
            return 2
        except SystemExit as stop:  # of --help
            return int(stop.code or 0)
        except KeyboardInterrupt:
            sys.stderr.write("stopped\n")
            return 130

    return command
