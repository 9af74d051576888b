"""The classes of a user's masks: names, colours and a reader, from the options of ``Folder``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lit_seg.data.label_maps import Colour, ColourMap, LabelMap
from lit_seg.data.overlays import distinct_colours
from lit_seg.metrics.labels import VOID

MAX_CLASSES = VOID - 1
"""Labels are 8-bit: 255 is void, and 254 may be void as a class."""

Ids = Sequence[str] | Mapping[str, int | Sequence[int]]
Colours = Mapping[str, Sequence[int] | Sequence[Sequence[int]]]
Value = tuple[int, ...]
"""The value of a pixel in a mask: one id, or three or four colour channels."""


@dataclass(frozen=True)
class FolderClasses:
    """The classes of masks.

    Attributes:
        names: name of each class.
        palette: RGB of each class.
        values: each value of a pixel to its class or ``VOID``.
        by_colour: whether the values are colours.
    """

    names: tuple[str, ...]
    palette: tuple[Colour, ...]
    values: Mapping[Value, int]
    by_colour: bool

    def reader(self) -> LabelMap | ColourMap:
        """The reader of the masks."""
        if self.by_colour:
            return ColourMap(self.values)
        return LabelMap({value: class_id for (value,), class_id in self.values.items()})


def folder_classes(
    ids: Ids | None,
    colours: Colours | None,
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
    key = "ids" if ids is not None else "colours"
    names = tuple(ids if ids is not None else colours or ())
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
    if ids is not None:
        found = {name: _ids(f"ids.{name}", i) for name, i in ids.items()}
        void = _ids("ignore", ignore or [])
    else:
        found, void = shown, _colours("ignore", ignore or [])
    values = _by_value(found, void)
    if ids is not None:
        values.setdefault((VOID,), VOID)
    palette = tuple((c[0][0], c[0][1], c[0][2]) for c in (shown[name] for name in names if shown))
    if len(set(palette)) < len(names):  # none given, or only alpha differs
        palette = distinct_colours(len(names))
    return FolderClasses(names, palette, values, ids is None)


def _ids(key: str, given: object) -> list[Value]:
    """Turn one id or several into a list."""
    several = [given] if isinstance(given, int) else given
    if not isinstance(several, Sequence) or not all(
        isinstance(i, int) and 0 <= i < 2**16 for i in several
    ):
        raise ValueError(f"`{key}` must be one id or a list of ids, 0 to 65535, got {given}")
    return [(i,) for i in several]


def _colours(key: str, given: object) -> list[Value]:
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
    for number, found in [*enumerate(classes.values()), (VOID, void)]:
        if not found and number != VOID:
            raise ValueError(
                f"class {names[number]!r} must have at least one value in the masks, got none"
            )
        for value in found:
            if value in values:
                shown = value[0] if len(value) == 1 else list(value)
                raise ValueError(
                    f"{shown} cannot be both {names[values[value]]!r} and {names[number]!r} in the "
                    "masks"
                )
            values[value] = number
    return values
