"""The classes of a user's masks: names, colours and a reader, from the options of ``Folder``."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from lit_seg.data.label_maps import Colour, ColourMap, LabelMap
from lit_seg.data.overlays import distinct_colours
from lit_seg.metrics.labels import VOID

MAX_CLASSES = VOID - 1
"""Labels are 8-bit: 255 is void, and 254 may be void as a class."""

Value = TypeVar("Value", int, tuple[int, ...])
"""The value of a pixel in a mask: an id, or three or four colour channels."""


class FolderClasses(NamedTuple):
    """Names and RGB of the classes of masks, and the reader of the masks."""

    names: tuple[str, ...]
    palette: tuple[Colour, ...]
    read: LabelMap | ColourMap


def folder_classes(
    ids: Sequence[str] | Mapping[str, int | Sequence[int]] | None,
    colours: Mapping[str, Sequence[int] | Sequence[Sequence[int]]] | None,
    ignore: Sequence[int] | Sequence[Sequence[int]] | None,
) -> FolderClasses:
    """Interpret the options of :class:`lit_seg.data.Folder`.

    Raises:
        ValueError: naming the option, the class and the value that make no sense.
    """
    if ids is None and colours is None:
        raise ValueError("`ids` or `colours` must name the classes, got neither")
    if ids is not None and not isinstance(ids, Mapping):
        if len(set(ids)) != len(ids):
            raise ValueError(f"`ids` must name different classes, got {', '.join(ids)}")
        ids = {name: i for i, name in enumerate(ids)}
    key = "colours" if ids is None else "ids"
    names = tuple(colours or () if ids is None else ids)
    if not 2 <= len(names) <= MAX_CLASSES:
        raise ValueError(f"`{key}` must name 2 to {MAX_CLASSES} classes, got {len(names)}")
    if "void" in names:
        raise ValueError(
            f"`{key}.void` must be an entry of `ignore`: void is no class unless `void: train` "
            "makes it one"
        )
    shown = {name: _colours(f"colours.{name}", c) for name, c in (colours or {}).items()}
    if differ := set(shown) ^ set(names) if shown else ():
        raise ValueError(f"`ids` and `colours` must name the same classes, not so {sorted(differ)}")
    read: LabelMap | ColourMap
    if ids is None:
        read = ColourMap(_by_value(shown, _colours("ignore", ignore or [])))
    else:
        found = {name: _ids(f"ids.{name}", i) for name, i in ids.items()}
        read = LabelMap({VOID: VOID} | _by_value(found, _ids("ignore", ignore or [])))
    palette = tuple((c[0][0], c[0][1], c[0][2]) for c in (shown[name] for name in names if shown))
    if len(set(palette)) < len(names):  # none given, or only alpha differs
        palette = distinct_colours(len(names))
    return FolderClasses(names, palette, read)


def _ids(key: str, given: object) -> list[int]:
    """Turn one id or several into a list."""
    several = [given] if isinstance(given, int) else given
    if not isinstance(several, Sequence) or not all(
        isinstance(i, int) and 0 <= i < 2**16 for i in several
    ):
        raise ValueError(f"`{key}` must be one id or a list of ids, 0 to 65535, got {given}")
    return list(several)


def _colours(key: str, given: object) -> list[tuple[int, ...]]:
    """Turn one colour or several into a list."""
    several: Sequence[Any] = [given]
    if isinstance(given, Sequence) and not isinstance(given, str):
        several = [given] if given and isinstance(given[0], int) else given
    for colour in several:
        if (
            not isinstance(colour, Sequence)
            or len(colour) not in (3, 4)
            or not all(isinstance(n, int) and 0 <= n <= 255 for n in colour)
        ):
            raise ValueError(
                f"`{key}` must be [red, green, blue], with alpha as a fourth if it counts, each 0 "
                f"to 255, or a list of these; got {given}"
            )
    return [tuple(colour) for colour in several]


def _by_value(classes: Mapping[str, Sequence[Value]], void: Sequence[Value]) -> dict[Value, int]:
    """Map each value to its one class or to ``VOID``."""
    values: dict[Value, int] = {}
    names = {**dict(enumerate(classes)), VOID: "ignore"}
    numbered = {**dict(enumerate(classes.values())), VOID: void}
    for number, found in numbered.items():
        if not found and number != VOID:
            raise ValueError(
                f"class {names[number]!r} must have at least one value in the masks, got none"
            )
        for value in found:
            if value in values:
                shown = list(value) if isinstance(value, tuple) else value
                raise ValueError(
                    f"{shown} cannot be both {names[values[value]]!r} and {names[number]!r} in the "
                    "masks"
                )
            values[value] = number
    return values
