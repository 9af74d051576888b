"""How commands are run: errors become one line, and exit codes are those of the training."""

import functools
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from rich.console import Console

from lit_seg.cli.commands import COMMANDS
from lit_seg.cli.output import lasting_output
from lit_seg.errors import RunError


class Parser(ArgumentParser):
    """An ArgumentParser of a command that raises an error instead of printing it and exiting."""

    def __init__(self, command: str, **options: Any) -> None:
        super().__init__(
            prog=f"python -m lit_seg {command}",
            description=f"Shows {COMMANDS[command]}.",
            **options,
        )

    def error(self, message: str) -> NoReturn:
        raise RunError(f"{message}; see `{self.prog} --help`")


def console_of_width(width: int) -> Console:
    """A console that writes ``width`` columns where standard output is no terminal."""
    if hasattr(sys.stdout, "reconfigure"):  # a terminal without a character shows "?"
        sys.stdout.reconfigure(errors="replace")
    console = Console()
    if not console.is_terminal:
        console.width = width  # a pipe has no edge to wrap at
    return console


def one_line_errors(main: Callable[[Sequence[str]], int]) -> Callable[[Sequence[str]], int]:
    """Wrap a command: an error ends it with one line and code 2, Ctrl-C with code 130."""

    @functools.wraps(main)
    def command(args: Sequence[str]) -> int:
        try:
            with lasting_output():
                if "" in args:  # a path without a letter would be the working directory
                    given = " ".join(map(repr, args))
                    raise RunError(f"an argument is empty in {given}; give it a value")
                return main([word for word in args if word != "--traceback"])
        except Exception as error:
            # imported late because it needs torch, which some commands do without
            from lit_seg.cli.error_messages import report_error

            return report_error(error, "", "--traceback" in args)
        except SystemExit as stop:  # --help ends so
            return int(stop.code or 0)
        except KeyboardInterrupt:
            sys.stderr.write("stopped\n")
            return 130

    return command
