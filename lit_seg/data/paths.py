"""Paths from lists, archives and options: they must not lead out of where they belong."""

from pathlib import PureWindowsPath


def leads_out(path: str) -> bool:
    """Whether a relative path may lead out of the folder that it is put below."""
    parts = PureWindowsPath(path)  # knows drives, and both kinds of slashes
    return bool(parts.anchor) or ".." in parts.parts or "\0" in path
