"""The errors a user can mend: each names the thing, the value and the way out."""


class LitSegError(ValueError):
    """Something outside the code is wrong; the command line prints it without a traceback."""


class DataError(LitSegError):
    """A dataset is missing, incomplete or holds something that it must not."""


class NotThereError(DataError):
    """A split is not there at all, or a dataset has none of its name."""


class RunError(LitSegError):
    """A run folder, checkpoint or configuration cannot be used as asked."""


class WriteError(RunError):
    """A file of the run cannot be written; what was there before is as it was."""


class NonFiniteError(RunError):
    """The loss or the logits are NaN or infinite; ``checkpoint`` is the last good one, if any."""

    checkpoint: str | None = None

    def __str__(self) -> str:
        kept = (
            f"the last good checkpoint is {self.checkpoint}"
            if self.checkpoint
            else ("there is no checkpoint yet")
        )
        return f"{super().__str__()}; {kept}"


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
