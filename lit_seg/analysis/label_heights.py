"""Heights of labels beside a plot, so that no two labels overlap; it needs no matplotlib."""

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression

Heights = npt.NDArray[np.float64]


def spread_apart(wanted: Heights, gap: float) -> Heights:
    """Move heights at least ``gap`` apart, in the same order and as little as possible."""
    order = np.argsort(wanted, kind="stable")
    gaps = gap * np.arange(len(wanted))
    placed = np.empty(len(wanted))
    placed[order] = isotonic_regression(wanted[order] - gaps).x + gaps
    return placed
