"""Numbers in sentences."""


def percent(share: float) -> str:
    """A share of one in percent; n/a where it is undefined."""
    return "n/a" if share != share else f"{100 * share:.1f} %"


def points(share: float) -> str:
    """A difference of two shares in percentage points; n/a where it is undefined."""
    return "n/a" if share != share else f"{100 * share:.1f} points"


def listed(names: list[str], most: int = 8) -> str:
    """Names with commas, the end of a long list as a number."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
