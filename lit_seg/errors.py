"""The errors a user can mend: each names the thing, the value and the way out."""


class LitSegError(ValueError):
    """Something outside the code is wrong; the command line prints it without a traceback."""


class DataError(LitSegError):
    """A dataset is missing, incomplete or holds something that it must not."""


class RunError(LitSegError):
    """A run folder, checkpoint or configuration cannot be used as asked."""
