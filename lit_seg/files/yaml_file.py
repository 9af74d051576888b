"""Reads YAML within bounds, with errors that name the file and the way out."""

from pathlib import Path
from typing import Any, ClassVar

import yaml

from lit_seg.errors import RunError

FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_BYTES = 2**20
_NODES = 100_000
_DEPTH = 50
_DIGITS = 100


class BoundedYaml:
    """Limits what a YAML loader reads; it must be the first base class, before the loader.

    A few lines of aliases stand for billions of values, or for themselves; nesting ends Python's
    stack, and a number of a million digits takes minutes. If a key is there twice, YAML takes
    the last one silently. All of these are a ``YAMLError``.
    """

    def __init__(self, stream: str) -> None:
        if len(stream) > _BYTES:
            raise yaml.YAMLError(f"it is longer than {_BYTES} characters")
        try:
            _check_depth(stream)
            super().__init__(stream)  # type: ignore[call-arg]
        except UnicodeEncodeError as error:
            raise yaml.YAMLError(f"it is no UTF-8 text, {error.reason}") from None

    def get_single_data(self) -> Any:
        """Load the content of the document."""
        try:
            node = self.get_single_node()  # type: ignore[attr-defined]
            if node is None:
                return None
            _check_size(node, {})
            return self.construct_document(node)  # type: ignore[attr-defined]
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            # what a tag says, such as a date, need not be what follows it
            raise yaml.YAMLError(f"it holds a value that cannot be read, {error}") from None


class _Loader(BoundedYaml, FAST):  # type: ignore[misc, valid-type]
    """Loads plain values; dates stay text, as in the parser of the command line."""

    yaml_implicit_resolvers: ClassVar = {
        first: [(tag, text) for tag, text in known if tag != "tag:yaml.org,2002:timestamp"]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def parse_yaml(text: str) -> Any:
    """Load the plain values in a text.

    Raises:
        yaml.YAMLError: if it is no YAML, has tags that would run Python, or is out of bounds.
    """
    return yaml.load(text, Loader=_Loader)


def read_text(path: Path) -> str:
    """Read a configuration file, at most one character more than :class:`BoundedYaml` takes.

    Raises:
        RunError: if it is no plain file, or cannot be read.
    """
    if not path.exists():
        raise RunError(f"{path}: there is no such configuration file")
    if path.is_dir():
        raise RunError(f"{path}: is a folder, not a configuration file")
    if not path.is_file():  # it is read several times, which a pipe cannot be
        raise RunError(f"{path}: is a pipe or a device; save the configuration in a file")
    try:
        with path.open("rb") as file:
            return file.read(_BYTES + 1).decode()
    except OSError as error:
        raise RunError(
            f"{path}: cannot be read ({error.strerror}); look at its rights, and at the limits of "
            "the system (`ulimit -a`)"
        ) from None
    except UnicodeDecodeError as error:
        raise RunError(f"{path}: cannot be read as YAML ({error}); mend it") from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a configuration file, which holds a mapping.

    Raises:
        RunError: if it cannot be read, or :func:`parse_yaml` refuses it.
    """
    try:
        content = parse_yaml(read_text(path))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).replace("<unicode string>", path.name).split())
        raise RunError(f"{path}: cannot be read as YAML ({reason}); mend it") from None
    if not isinstance(content, dict):
        found = "nothing" if content is None else repr(content)[:60]
        raise RunError(
            f"{path}: holds {found}; a configuration is a mapping such as "
            "`trainer: {max_epochs: 3}`"
        )
    if wrong := [key for key in content if not isinstance(key, str)]:
        raise RunError(f"{path}: names an option {wrong[0]!r}; options have names, mend it")
    return content


def _check_depth(text: str) -> None:
    """Refuse deep nesting before it is loaded, because the loader in C would crash."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=FAST)):
        if number > 2 * _NODES:  # a list has an event for its start and one for its end
            raise yaml.YAMLError(f"it holds more than {_NODES} values")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH:
            raise yaml.YAMLError(f"it is nested more than {_DEPTH} deep")


def _check_size(node: yaml.Node, known: dict[int, int | None]) -> int:
    """Count the values in a node; each alias counts as all values that it stands for."""
    if id(node) in known:
        size = known[id(node)]
        if size is None:
            raise yaml.YAMLError("a part of it contains itself")
        return size
    known[id(node)] = None
    size = 1
    if isinstance(node, yaml.ScalarNode):
        is_number = node.tag.endswith((":int", ":float"))
        if is_number and len(node.value) > _DIGITS:
            raise yaml.YAMLError(f"it holds a number of {len(node.value)} digits")
    else:
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
        for part in node.value:
            for each in part if isinstance(part, tuple) else (part,):
                size += _check_size(each, known)
                if size > _NODES:
                    raise yaml.YAMLError(f"with its aliases it holds more than {_NODES} values")
    known[id(node)] = size
    return size


def _check_keys(node: yaml.MappingNode) -> None:
    lines: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value != "<<":  # which may come often
            what, line = (key.tag, key.value), key.start_mark.line + 1
            if what in lines:
                raise yaml.YAMLError(
                    f"it has the key {key.value!r} twice, in lines {lines[what]} and {line}: the "
                    "first would not count"
                )
            lines[what] = line
