"""Student's t distribution."""

from scipy.stats import t as student


def two_sided(t: float, freedom: int) -> float:
    """The probability that ``|T|`` is at least ``|t|``."""
    return float(2 * student.sf(abs(t), freedom))


def quantile(freedom: int, level: float = 0.95) -> float:
    """The ``t`` within which ``|T|`` stays with probability ``level``: 12.71, 4.30, 3.18, ..."""
    return float(student.ppf((1 + level) / 2, freedom))
