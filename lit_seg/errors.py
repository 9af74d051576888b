"""Errors that a user can mend: each message names the thing, the value and the way out."""

import signal
from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class LitSegError(ValueError):
    """The cause lies outside the code; the command line prints the message without a traceback."""


class DataError(LitSegError):
    """A dataset is missing, incomplete or holds values that are not allowed."""


class NotThereError(DataError):
    """A split is missing as a whole, or the dataset has no split of this name."""


class RunError(LitSegError):
    """A run folder, checkpoint or configuration cannot be used as asked."""


class WriteError(RunError):
    """A file of the run cannot be written; the old file is unchanged."""


class NonFiniteError(RunError):
    """The loss or the logits are NaN or infinite; ``checkpoint`` is the last good one, or None."""

    checkpoint: str | None = None

    def __str__(self) -> str:
        kept = f"the last good checkpoint is {self.checkpoint}"
        return f"{super().__str__()}; {kept if self.checkpoint else 'there is no checkpoint yet'}"


STOP_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGXCPU", "SIGALRM")
    if hasattr(signal, name)  # Windows lacks some
)
"""What asks a run to stop: Ctrl-C, launchers, schedulers, a terminal that was closed, the system
when it allows no more processor time, and a timer that was set before the start."""


def heard_signals() -> list[signal.Signals]:
    """The stop signals to listen to; `nohup` leaves SIGHUP ignored, and it stays so."""
    return [
        signum
        for signum in STOP_SIGNALS
        if signum.name != "SIGHUP" or signal.getsignal(signum) is not signal.SIG_IGN
    ]


class StopRequest(BaseException):
    """A signal asked the run to stop.

    Args:
        signum: the signal.
        agreed: whether all ranks stop at the same point.
        early: whether it came before the run listened, which has not said anything then.
    """

    def __init__(self, signum: int, agreed: bool = False, early: bool = False) -> None:
        super().__init__(f"signal {signum}")
        self.signum = signum
        self.agreed = agreed
        self.early = early


def reason_of(error: object) -> str:
    """What an error says, in one line; its type where it says nothing."""
    return " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__


def near(word: str, choices: Iterable[str], listed: bool = True) -> str:
    """How a message on an unknown word ends: what it may mean, and what there is if ``listed``.

    Example:
        >>> near("recal", ["ce", "recall"])
        "; did you mean 'recall'? There are: ce, recall"
        >>> near("x", ["ce", "recall"])
        '; there are: ce, recall'
    """
    known = list(choices)
    lower = {each.lower(): each for each in reversed(known)}
    found = [lower[each] for each in get_close_matches(word.lower(), lower, n=1)]
    there = f"here are: {', '.join(known)}" if listed else ""
    if found:
        return f"; did you mean {found[0]!r}?" + (f" T{there}" if listed else "")
    return f"; t{there}" if listed else ""


def check_choice(option: str, value: object, choices: Sequence[object]) -> None:
    """Refuse the value of an option that is none of its choices.

    Raises:
        ValueError: naming the option, the choices and the value.
    """
    if value not in choices:
        *most, last = map(repr, choices)
        raise ValueError(f"`{option}` must be {', '.join(most)} or {last}, got {value!r}")
