"""The private names of jsonargparse that have no public counterpart; nothing else uses any."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jsonargparse import _loaders_dumpers, set_parsing_settings
from jsonargparse._common import parsing_settings

from lit_seg.files.yaml_file import BoundedYaml


@contextmanager
def temporary_parsing_settings(**settings: Any) -> Iterator[None]:
    """Change settings of jsonargparse until the context ends, and restore the old ones.

    Within the context, YAML is read within bounds, too.
    """
    yaml: Any = _loaders_dumpers
    before, loader = dict(parsing_settings), yaml.get_yaml_default_loader()
    set_parsing_settings(**settings)
    if not issubclass(loader, BoundedYaml):
        yaml.yaml_default_loader = type("Bounded", (BoundedYaml, loader), {})
    try:
        yield
    finally:
        parsing_settings.update(before)
        yaml.yaml_default_loader = loader
