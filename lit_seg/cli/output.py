"""Prints errors and warnings in one line, and goes on if nobody reads the output any more."""

import errno
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

_READER_IS_GONE = (errno.EPIPE, errno.EIO)
_LONGEST = 2000  # characters of a message; a line of a damaged file may have millions


def print_error(error: object) -> None:
    """Print ``error: <message>`` in a line of readable length.

    Characters that move the cursor or colour the terminal are shown as Python writes them.
    """
    _print("error", str(error))


def _warning_printer() -> Callable[..., None]:
    """Make what prints a warning of Python's in a line, without a place in the code, and once.

    Processes that are forked do not repeat what was printed before.
    """
    printed = set()

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        text = " ".join(str(message).split())
        if text not in printed:
            printed.add(text)
            _print("warning", text)

    return show


def _print(kind: str, text: str) -> None:
    text = re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: repr(found[0])[1:-1], text)
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} … {text[-_LONGEST // 2 :]}"
    sys.stderr.write(f"{kind}: {text}\n")


class _Lasting:
    """A stream that drops text that cannot be written any more, so that the run goes on."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self._stream, attribute)

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except OSError as error:
            self._give_up(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        with suppress(OSError):  # a stream without a file drops each text
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # also what is flushed when the process ends
            os.close(nowhere)
        if error.errno not in _READER_IS_GONE and sys.stderr is not self:
            sys.stderr.write(f"{self._name}: {error.strerror}; it goes on without it\n")


@contextmanager
def lasting_output() -> Iterator[None]:
    """Let the run go on within this context if its output cannot be printed any more.

    A warning within it is one plain line, printed once.
    """
    before, show = (sys.stdout, sys.stderr), warnings.showwarning
    # a process may be started without one of them
    out, err = (stream or open(os.devnull, "w", encoding="utf-8") for stream in before)  # noqa: SIM115
    sys.stdout, sys.stderr = _Lasting(out, "standard output"), _Lasting(err, "standard error")
    warnings.showwarning = _warning_printer()
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        (sys.stdout, sys.stderr), warnings.showwarning = before, show
