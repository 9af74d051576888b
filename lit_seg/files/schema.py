"""Checks that the content of a file has the expected fields and types."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple


class Value(NamedTuple):
    """A value without parts: what it must be, and whether a value is so."""

    name: str
    fits: Callable[[Any], bool]


class Optional(NamedTuple):
    """A field that may be missing."""

    kind: Any


def is_number(value: Any) -> bool:
    """Whether a value is a number; ``True`` is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


COUNT = Value("a whole number from 0", lambda v: type(v) is int and 0 <= v < 2**63)
TEXT = Value("text", lambda v: isinstance(v, str))
ANYTHING = Value("anything", lambda v: True)


def difference(found: Any, kind: Any, name: str = "") -> str:
    """Describe the first part of a value that is not of its kind; empty if all parts are.

    A kind is a :class:`Value`; a list with the kind of all items; or a mapping of names to kinds,
    in which a type such as ``str`` stands for all other names.
    """
    if isinstance(kind, Value):
        return "" if kind.fits(found) else f"{name} is {_shown(found)}, not {kind.name}"
    if isinstance(kind, list):
        if not isinstance(found, list | tuple):
            return f"{name} is {_shown(found)}, not a list"
        parts = [(item, kind[0], f"{name}[{i}]") for i, item in enumerate(found)]
    else:
        if not isinstance(found, Mapping):
            return f"{name or 'it'} is {_shown(found)}, not a mapping"
        others = next((key for key in kind if isinstance(key, type)), None)
        parts = []
        for key, inner in kind.items():
            if key not in found and key is not others and not isinstance(inner, Optional):
                return f"{_below(name, key)} is missing"
        for key, value in found.items():
            if key in kind:
                inner = kind[key].kind if isinstance(kind[key], Optional) else kind[key]
            elif others is None:
                continue
            elif type(key) is not others:
                return f"{_below(name, key)} has a name that is no {others.__name__}"
            else:
                inner = kind[others]
            parts.append((value, inner, _below(name, key)))
    return next(filter(None, (difference(*part) for part in parts)), "")


def parts(found: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any, int]]:
    """Walk over a value and its parts: name, value and depth of each.

    The walk of a value that contains itself has no end: its depth grows.
    """
    yield name, found, depth
    if isinstance(found, Mapping):
        for key, value in found.items():
            yield from parts(value, _below(name, key), depth + 1)
    elif isinstance(found, list | tuple | set):
        for i, value in enumerate(found):
            yield from parts(value, f"{name}[{i}]", depth + 1)


def _below(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else f"{key}"


def _shown(value: Any) -> str:
    shape = getattr(value, "shape", None)
    text = repr(value) if shape is None else f"a tensor of {tuple(shape)}"
    return text if len(text) <= 40 else f"a {type(value).__name__}"
