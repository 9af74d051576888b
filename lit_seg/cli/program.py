"""What surrounds the commands of a program before its libraries are imported."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lit_seg.cli.output import print_error
from lit_seg.errors import RunError, heard_signals
from lit_seg.files.unicode import ensure_utf8


def run_program(run: Callable[[list[str]], int]) -> int:
    """Run the command in ``sys.argv`` by ``run``; returns the exit code."""
    try:
        os.getcwd()
    except FileNotFoundError:  # libraries would fail to load with less helpful words
        print_error("the working directory was removed; change to another one")
        return 2
    try:
        ensure_utf8()
        # Threads of torch that wait for each other sleep. By default they spin, which is as fast on
        # idle cores and several times slower on shared ones. OpenMP reads this when torch loads.
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        if os.environ.get("COLUMNS") == "0":  # tables would be printed without a letter
            del os.environ["COLUMNS"]
        with _signals_are_named():
            return run(sys.argv[1:])
    except RunError as error:
        print_error(error)
        return 2
    except ModuleNotFoundError as error:
        if (error.name or "lit_seg").startswith("lit_seg"):
            raise
        brings = "`pip install 'lit-seg[train]'` brings all that training needs"
        print_error(f"the package {error.name} is not installed; {brings}")
        return 2
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would print a traceback
        sys.stderr.write("stopped\n")
        return 130


@contextmanager
def _signals_are_named() -> Iterator[None]:
    """End with a word on a signal while the imports take seconds, until somebody else listens."""
    main = os.getpid()

    def stop(signum: int, frame: object) -> None:
        if os.getpid() == main:
            os.write(2, f"stopped by {signal.Signals(signum).name}\n".encode())
            os._exit(128 + signum)
        signal.signal(signum, signal.SIG_DFL)  # a process that was forked ends as it would
        os.kill(os.getpid(), signum)

    of_nobody = []
    if threading.current_thread() is threading.main_thread():  # only that one may
        of_nobody = [s for s in heard_signals() if signal.getsignal(s) is signal.SIG_DFL]
    for signum in of_nobody:
        signal.signal(signum, stop)
    try:
        yield
    finally:
        for signum in of_nobody:
            signal.signal(signum, signal.SIG_DFL)
