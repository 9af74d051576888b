"""Shows how many of some things are done, and how many in a second."""

import sys
import time
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from lit_seg.errors import plural


class Counted:
    """A bar on a terminal; else a line for the first, then at most one every ``seconds``.

    A last line has the number, the time and the pace.

    Args:
        what: is counted, such as ``image``.
        total: how many there are; None if it is not known.
        seconds: the shortest time between two lines.
        clock: tells the time in seconds.
    """

    def __init__(
        self,
        what: str,
        total: int | None = None,
        seconds: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._total = total
        self._seconds = seconds
        self._clock = clock
        self._began = clock()
        self._printed = -float("inf")
        self._done = 0
        self._bar: Progress | None = None
        if sys.stdout.isatty():
            columns = BarColumn(), TimeRemainingColumn()
            text = TextColumn("{task.description}", markup=False)
            self._bar = Progress(text, *columns, console=Console(), transient=True)
            self._bar.add_task("", total=total)

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()
        if self._done:
            seconds = self._clock() - self._began
            _write(f"{plural(self._done, self._what)} in {seconds:.3g} s, {self._pace()}")

    def __call__(self, number: int) -> None:
        """Count some more."""
        self._done += number
        done = plural(self._done, self._what)
        line = f"{done}{'' if self._total is None else f' of {self._total}'}, {self._pace()}"
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=self._done, description=line)
        elif self._clock() >= self._printed + self._seconds:
            self._printed = self._clock()
            _write(line)

    def _pace(self) -> str:
        return f"{self._done / max(1e-9, self._clock() - self._began):.3g} {self._what}s/s"


def _write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
