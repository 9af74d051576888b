"""When two runs are of the same length."""

_LOGGED_LATE = 0.02  # share of the steps: a last one that was not logged


def alike(steps: int, others: int) -> bool:
    """Whether two numbers of steps are (nearly) the same."""
    return abs(steps / max(1, others) - 1) < _LOGGED_LATE
