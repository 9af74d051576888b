"""The private names of jsonargparse that have no public counterpart; nothing else uses any."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import _loaders_dumpers, _paths, _typehints, set_parsing_settings
from jsonargparse._common import parsing_settings

from lit_seg.files.yaml_file import BoundedYaml, read_text

_files: Any = _loaders_dumpers
_types: Any = _typehints
_path: Any = _paths.Path

# PyYAML writes the text "1e3" without quotes, and jsonargparse would read it as a number
for _first, _known in _files.get_yaml_default_loader().yaml_implicit_resolvers.items():
    for _tag, _text in _known:
        yaml.SafeDumper.add_implicit_resolver(_tag, _text, [_first])


@contextmanager
def temporary_parsing_settings(**settings: Any) -> Iterator[None]:
    """Change settings of jsonargparse until the context ends, and restore the old ones.

    Within the context, YAML is read within bounds and from plain files, also if an option names the
    file, and text is written as it was given: jsonargparse reads text in lists of any values once
    more when it writes them, so that a class "yes" would become true.
    """
    before, loader = dict(parsing_settings), _files.get_yaml_default_loader()
    adapt, read = _types.adapt_typehints, _path.read_text

    def adapt_but_text(value: Any, kind: Any, serialize: bool = False, **options: Any) -> Any:
        if serialize and kind is Any and isinstance(value, str):
            return value
        return adapt(value, kind, serialize, **options)

    set_parsing_settings(**settings)
    if not issubclass(loader, BoundedYaml):
        _files.yaml_default_loader = type("Bounded", (BoundedYaml, loader), {})
    _types.adapt_typehints = adapt_but_text
    _path.read_text = lambda path: read_text(Path(path.absolute))
    try:
        yield
    finally:
        parsing_settings.update(before)
        _files.yaml_default_loader = loader
        _types.adapt_typehints, _path.read_text = adapt, read
