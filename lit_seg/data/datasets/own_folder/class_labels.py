"""Makes names, colours and a reader of a user's masks from the options of ``Folder``."""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from lit_seg.data.label_maps import ColourMap, LabelMap, read_ids_as_saved
from lit_seg.images.open_and_save import Colour
from lit_seg.images.overlays import distinct_colours
from lit_seg.metrics.labels import VOID
from lit_seg.runs.records import MAX_NAME

MAX_CLASSES = VOID - 1
"""Labels are 8-bit: 255 is void, and 254 may be void as a class."""

_RANGE = re.compile(r"(\d+) ?- ?(\d+)")
_LARGEST = 2**16 - 1
"""The largest value of a range, which is that of a mask of 16 bits."""

Value = TypeVar("Value", int, tuple[int, ...])
"""The value of a pixel in a mask: an id, or three or four colour channels."""


class FolderClasses(NamedTuple):
    """Names and RGB of the classes of masks, and the reader of the masks."""

    names: tuple[str, ...]
    palette: tuple[Colour, ...]
    read: LabelMap | ColourMap
    label_ids: tuple[int, ...] | None
    """The first value of each class; None for colours, and for values beyond 16 bits."""
    void_id: int
    guesses_void: bool
    """Whether 255 is void only because no option says what it is."""
    allows_jpeg: bool
    """Whether each of the 256 values has a meaning: then what JPEG changes is the edges."""


def folder_classes(
    ids: Any = None, colours: Any = None, ignore: Any = None, threshold: Any = None
) -> FolderClasses:
    """Interpret the options of :class:`lit_seg.data.Folder`, whatever they hold.

    Raises:
        ValueError: naming the option, what it must be, an example, and what it is.
    """
    if ids is None and colours is None:
        raise ValueError(
            "`ids` or `colours` must name the classes, such as `ids: [background, crack]`, got "
            "neither"
        )
    key = "colours" if ids is None else "ids"
    if threshold is not None:
        ids = _two_sides(ids, threshold)
    if isinstance(ids, Sequence) and not isinstance(ids, str):
        ids = {name: i for i, name in enumerate(_names("ids", ids))}
    if isinstance(ids, Mapping) and {type(value) for value in ids} == {int}:
        turned = ", ".join(f"{name}: {value}" for value, name in ids.items())
        raise ValueError(
            f"`ids` must have names before their ids, such as `ids: {{{turned}}}`, got {ids!r}"
        )
    if ids is not None and not isinstance(ids, Mapping):
        raise ValueError(
            "`ids` must be a list of class names, which then have the ids 0, 1, ..., or each name "
            "with its id or ids, such as `ids: [background, crack]` or `ids: {background: 0, crack:"
            f" 255}}`, got {ids!r}"
        )
    if colours is not None and not isinstance(colours, Mapping):
        raise ValueError(
            "`colours` must be each class name with its colour, such as `colours: {water: [0, 0, "
            f"255], forest: [0, 128, 0]}}`, got {colours!r}"
        )
    given: Mapping[Any, Any] = (colours or {}) if ids is None else ids
    names = tuple(_names(key, given))
    _check_number(key, names, given)
    shown = {name: _colours(f"colours.{name}", c) for name, c in (colours or {}).items()}
    if differ := set(shown) ^ set(names) if shown else ():
        raise ValueError(f"`ids` and `colours` must name the same classes, not so {sorted(differ)}")
    read: LabelMap | ColourMap
    label_ids, void_id = None, VOID
    guesses_void = allows_jpeg = False
    if ids is None:
        read = ColourMap(_by_value("colours", shown, _colours("ignore", ignore or [])))
    else:
        found = {name: _ids(f"ids.{name}", i) for name, i in ids.items()}
        values = _by_value("ids", found, _ids("ignore", [] if ignore is None else ignore))
        guesses_void = VOID not in values
        values.setdefault(VOID, VOID)
        allows_jpeg = set(range(256)) <= set(values)
        lower = ", ".join(sorted(names, key=lambda name: min(found[name], default=0)))
        advice = f"; where edges are grey, give `ids: [{lower}]` and `threshold: 128`"
        reader = partial(read_ids_as_saved, lossy=allows_jpeg)
        grey = len(names) == 2 and threshold is None
        first = {i: v for v, i in reversed(values.items()) if 0 <= v <= _LARGEST}
        if first.keys() >= set(range(len(names))):
            label_ids = tuple(first[i] for i in range(len(names)))
            void_id = first.get(VOID, VOID)
        read = LabelMap(values, reader, advice if grey else "")
    palette = tuple((c[0][0], c[0][1], c[0][2]) for c in (shown[name] for name in names if shown))
    if len(set(palette)) < len(names):  # none given, or only alpha differs
        palette = distinct_colours(len(names))
    return FolderClasses(names, palette, read, label_ids, void_id, guesses_void, allows_jpeg)


def _two_sides(ids: Any, threshold: Any) -> dict[str, str]:
    """The ids below a threshold, and from it on."""
    if not isinstance(threshold, int) or not 1 <= threshold <= _LARGEST:
        raise ValueError(
            f"`threshold` must be the first value of the second class, 1 to {_LARGEST}, such as "
            f"128, got {threshold!r}"
        )
    if not isinstance(ids, list) or len(ids) != 2:
        raise ValueError(
            "`threshold` needs `ids` to be two names, that of the lower values first, such as "
            f"`ids: [background, crack]`, got {ids!r}"
        )
    below, above = _names("ids", ids)
    return {below: f"0-{threshold - 1}", above: f"{threshold}-{_LARGEST}"}


def _names(key: str, given: Any) -> list[str]:
    """Read the names of classes, which YAML may have taken for something else."""
    for name in given:
        if isinstance(name, str) and name.strip():
            continue
        value = "[0, 0, 255]" if key == "colours" else "0"
        quotes = (
            ""
            if isinstance(name, str | list | dict)
            else '; names that YAML takes for numbers, true or false need quotes: "1", "yes", "no"'
        )
        raise ValueError(
            f"`{key}` must name classes by text, such as `{key}: {{sky: {value}, ...}}`, got "
            f"{name!r}{quotes}"
        )
    if longest := [name for name in given if len(name) > MAX_NAME]:
        raise ValueError(
            f"`{key}` must name classes by at most {MAX_NAME} characters, got one of "
            f"{len(longest[0])}, {longest[0][:20]}...; shorten it"
        )
    if len(set(given)) != len(given):
        raise ValueError(f"`{key}` must name different classes, got {', '.join(given)}")
    if "void" in given:
        raise ValueError(
            f"`{key}.void` must be an entry of `ignore`: void is no class unless `void: train` "
            "makes it one"
        )
    return list(given)


def _check_number(key: str, names: Sequence[str], given: Mapping[str, Any]) -> None:
    if len(names) == 1:
        (name,) = names
        other = "[0, 0, 0]" if key == "colours" else 0
        value = given[name] if given[name] != 0 else 1  # the id of a list of one name
        raise ValueError(
            f"`{key}` must name at least 2 classes, got {name!r} alone; name what is around it "
            f"too, such as `{key}: {{background: {other}, {name}: {value}}}`"
        )
    if not 2 <= len(names) <= MAX_CLASSES:
        several = "[17, 23, 31]" if key == "ids" else "[[0, 0, 1], [0, 0, 2]]"
        raise ValueError(
            f"`{key}` must name 2 to {MAX_CLASSES} classes, got {len(names)}; labels have 8 bits: "
            f"give several values to one class, such as `other: {several}`, or put them into "
            "`ignore`; the losses alone take 65535 classes, in a loop of your own"
        )


def _ids(key: str, given: Any) -> list[int]:
    """Turn one id, a range or several of both into a list."""
    several = given if isinstance(given, list | tuple) else [given]
    found: list[int] = []
    for one in several:
        bounds = _RANGE.fullmatch(one) if isinstance(one, str) else None
        if bounds and int(bounds[1]) <= int(bounds[2]) <= _LARGEST:
            found += range(int(bounds[1]), int(bounds[2]) + 1)
        elif isinstance(one, int) and not isinstance(one, bool) and -(2**31) <= one < 2**31:
            found.append(one)
        else:
            raise ValueError(
                f"`{key}` must be one id, a range or a list of these, such as 7, 128-255 or [7, "
                f"20-29], got {given!r}"
            )
    if len(set(found)) < len(found):
        raise ValueError(
            f"`{key}` must hold each id once, got {given!r}; a colour [red, green, blue] belongs "
            "under `colours`"
        )
    return found


def _colours(key: str, given: Any) -> list[tuple[int, ...]]:
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
                f"to 255, or a list of these; got {given!r}"
            )
    return [tuple(colour) for colour in several]


def _by_value(
    key: str, classes: Mapping[str, Sequence[Value]], void: Sequence[Value]
) -> dict[Value, int]:
    """Map each value to its one class or to ``VOID``."""
    values: dict[Value, int] = {}
    names = {**dict(enumerate(classes)), VOID: "ignore"}
    numbered = {**dict(enumerate(classes.values())), VOID: void}
    for number, found in numbered.items():
        if not found and number != VOID:
            raise ValueError(
                f"`{key}`: class {names[number]!r} must have at least one value in the masks, got "
                "none"
            )
        for value in found:
            if value in values:
                shown = list(value) if isinstance(value, tuple) else value
                both = f"{names[values[value]]!r} and {names[number]!r}"
                example = "0-127 and 128-255" if key == "ids" else "[0, 0, 255] and [0, 128, 0]"
                raise ValueError(
                    f"`{key}`: {shown} cannot be both {both} in the masks; give each its own, such "
                    f"as {example}"
                )
            values[value] = number
    return values
