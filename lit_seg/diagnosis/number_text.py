"""Numbers in sentences."""


def percent(share: float, unit: str = "%") -> str:
    """A share of one in percent; n/a where it is undefined."""
    return "n/a" if share != share else f"{100 * share:.1f} {unit}"


def points(share: float) -> str:
    """A difference of two shares in percentage points; n/a where it is undefined."""
    return percent(share, "points")


def listed(names: list[str]) -> str:
    """Names with commas, the end of a long list as a number."""
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more
