"""Numbers and lists in words."""

from collections.abc import Sequence

_SHOWN = 8


def percent(share: float) -> str:
    """A share of one as percent, with one digit; n/a where it is undefined."""
    return "n/a" if share != share else f"{100 * share:.1f} %"


def points(share: float) -> str:
    """A difference of two shares as percentage points."""
    return "n/a" if share != share else f"{100 * share:.1f} points"


def joined(names: Sequence[str]) -> str:
    """A list, cut where it is long."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
