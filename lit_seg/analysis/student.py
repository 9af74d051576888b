"""Student's t distribution with whole degrees of freedom, in closed form.

Abramowitz and Stegun, 26.7.3 and 26.7.4. scipy has it too, but is not needed for anything else.
"""

import math


def two_sided(t: float, freedom: int) -> float:
    """Probability that ``|T|`` is at least ``|t|``, right to about 1e-15.

    Raises:
        ValueError: if ``freedom`` is below 1.
    """
    if freedom < 1:
        raise ValueError(f"`freedom` must be at least 1, got {freedom}")
    if math.isinf(t):
        return 0.0
    angle = math.atan2(abs(t), math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= cosine**2 * (k - 1) / k
        total += term
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return min(1.0, max(0.0, 1 - inside))


def quantile(freedom: int, level: float = 0.95) -> float:
    """The ``t`` within which ``|T|`` stays with probability ``level``: 12.71, 4.30, 3.18, ..."""
    low, high = 0.0, 1.0
    while two_sided(high, freedom) > 1 - level:
        low, high = high, 2 * high
    for _ in range(60):  # halves of the interval, down to the precision of a float
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided(middle, freedom) > 1 - level else (low, middle)
    return (low + high) / 2
