"""Runs commands: errors become one line, and exit codes are those of the training."""

import functools
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from rich.console import Console

from lit_seg.cli.commands import COMMANDS
from lit_seg.cli.output import lasting_output, print_error
from lit_seg.config.parse_errors import OTHER_WORDS
from lit_seg.errors import LitSegError, RunError, near
from lit_seg.runs.layout import what_prevents

_UNKNOWN = re.compile(r"unrecognized arguments: --([\w.]+)|not accept option '([\w.]+)'")


class Parser(ArgumentParser):
    """An ArgumentParser of a command that raises an error instead of printing it and exiting."""

    package = "lit_seg"
    """The package of the command."""
    commands: ClassVar[Mapping[str, str]] = COMMANDS
    """What each command of the package does."""

    def __init__(self, command: str, **options: Any) -> None:
        what = self.commands[command]
        super().__init__(
            prog=f"python -m {self.package} {command}",
            description=f"{what[0].upper()}{what[1:]}.",
            allow_abbrev=False,
            **options,
        )

    def parse_with_others(self, args: Sequence[str]) -> tuple[Namespace, list[str]]:
        """Parse its own options and list the others, which are no misspelt ones of its own."""
        given, others = self.parse_known_args(args)
        own = re.findall(r"--\w+", self.format_usage())
        for word in others:  # of the others, `fit` tells
            if word.startswith("--") and get_close_matches(word, own, cutoff=0.8):
                self.error(f"unrecognized arguments: {word}")
        return given, others

    def error(self, message: str) -> NoReturn:
        meant = near_option(message, self)
        raise RunError(f"{message}{f'{meant} See' if meant else '; see'} `{self.prog} --help`")


def near_option(message: str, parser: ArgumentParser) -> str:
    """End a message on an unknown option: it names the option that may be meant."""
    unknown = _UNKNOWN.search(message)
    if not unknown:
        return ""
    options = set(re.findall(r"--[\w.]+", parser.format_help()))
    word, sections = unknown[1] or unknown[2], {option.partition(".")[0] for option in options}
    meant = f"--{OTHER_WORDS.get(word.rpartition('.')[2], '')}"
    if meant.partition(".")[0] in sections:
        return f"; did you mean {meant!r}?"
    return near(f"--{word}", sorted(options | sections), listed=False)


def out_folder(text: str) -> Path:
    """The value of ``--out``, refused before the work if no folder can be made there."""
    if problem := what_prevents(Path(text)):
        raise ArgumentTypeError(f"nothing can lie in {text}: {problem}; give another folder")
    return Path(text)


def console_of_width(width: int) -> Console:
    """Make a console that writes ``width`` columns where standard output is no terminal."""
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
        except ModuleNotFoundError:  # `run_program` says how to install it
            raise
        except Exception as error:
            if isinstance(error, LitSegError) and "--traceback" not in args:
                print_error(error)
                return 2
            # imported late because it needs all of Lightning, which takes seconds
            from lit_seg.cli.error_messages import report_error

            return report_error(error, "python -m lit_seg", "--traceback" in args)
        except SystemExit as stop:  # --help ends so
            return int(stop.code or 0)

    return command
