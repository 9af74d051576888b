"""Defines errors that a user can mend: each names the thing, the value and the way out."""

import signal
import threading
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


class OfClassifierError(RunError):
    """A checkpoint or export is of a classifier, where one of segmentation was expected."""


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
"""The signals that ask a run to stop. They come from Ctrl-C, launchers, schedulers, a terminal that
was closed, the system when it allows no more processor time, and a timer set before the start."""


def heard_signals() -> list[signal.Signals]:
    """List the stop signals to listen to; SIGHUP stays ignored if `nohup` started the run."""
    return [
        signum
        for signum in STOP_SIGNALS
        if signum.name != "SIGHUP" or signal.getsignal(signum) is not signal.SIG_IGN
    ]


def ignore_signals() -> None:
    """Let no stop signal end this process: it ends anyway, or others end it."""
    if threading.current_thread() is threading.main_thread():  # only that one may
        for signum in STOP_SIGNALS:
            signal.signal(signum, signal.SIG_IGN)


class StopRequest(BaseException):
    """A signal asked the run to stop.

    Args:
        signum: the signal.
        agreed: whether all ranks stop at the same point.
        early: whether it came before the run listened; then nothing was printed about it.
    """

    def __init__(self, signum: int, agreed: bool = False, early: bool = False) -> None:
        super().__init__(f"signal {signum}")
        self.signum = signum
        self.agreed = agreed
        self.early = early


def reason_of(error: object) -> str:
    """Write in one line what an error says, or its type if it says nothing."""
    return " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__


def plural(number: int, noun: str) -> str:
    """Write a number and a noun.

    Example:
        >>> plural(1, "seed"), plural(3, "seed"), plural(0, "process")
        ('1 seed', '3 seeds', '0 processes')
    """
    end = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{'' if number == 1 else end}"


def near(word: str, choices: Iterable[str], listed: bool = True) -> str:
    """End a message on an unknown word: it names what may be meant, and lists what there is.

    The word may mean the choice that is most like it, or else the first that contains it.

    Example:
        >>> near("recal", ["ce", "recall"])
        "; did you mean 'recall'? There are: ce, recall"
        >>> near("x", ["ce", "recall"])
        '; there are: ce, recall'
        >>> near("net", ["tu-resnet50", "tu-vgg"], listed=False)
        "; did you mean 'tu-resnet50'?"
    """
    known = list(choices)
    lower = {each.lower(): each for each in reversed(known)}
    alike = get_close_matches(word.lower(), lower, n=1)
    found = [
        lower[each] for each in alike or lower if alike or (len(word) > 2 and word.lower() in each)
    ]
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
