"""Errors that a user can mend: each message names the thing, the value and the way out."""

from collections.abc import Sequence


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


class StopRequest(BaseException):
    """A signal asked the run to stop.

    Args:
        signum: the signal.
        agreed: whether all ranks stop at the same point.
    """

    def __init__(self, signum: int, agreed: bool = False) -> None:
        super().__init__(f"signal {signum}")
        self.signum = signum
        self.agreed = agreed


def reason_of(error: object) -> str:
    """What an error says, in one line; its type where it says nothing."""
    return " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__


def check_choice(option: str, value: object, choices: Sequence[object]) -> None:
    """Refuse the value of an option that is none of its choices.

    Raises:
        ValueError: naming the option, the choices and the value.
    """
    if value not in choices:
        *most, last = map(repr, choices)
        raise ValueError(f"`{option}` must be {', '.join(most)} or {last}, got {value!r}")
