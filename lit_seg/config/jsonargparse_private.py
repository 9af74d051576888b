"""The private names of jsonargparse that have no public counterpart; nothing else uses any."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jsonargparse import set_parsing_settings
from jsonargparse._common import parsing_settings


@contextmanager
def temporary_parsing_settings(**settings: Any) -> Iterator[None]:
    """``set_parsing_settings``, which cannot be asked what was set, until the context ends."""
    before = dict(parsing_settings)
    set_parsing_settings(**settings)
    try:
        yield
    finally:
        parsing_settings.update(before)
