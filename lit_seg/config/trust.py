"""What a configuration may import: classes of known packages, and what the user asked for.

``class_path: x.y`` in a configuration imports ``x`` and may call ``y``. A configuration that came
from elsewhere must not choose freely: all but :data:`KNOWN` is refused, unless it is typed on the
command line or allowed by ``--trust PACKAGE``. jsonargparse enforces it wherever an import path
comes from; the files given by ``--config`` are read before, for an error that names the file.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import set_parsing_settings
from jsonargparse._common import parsing_settings

from lit_seg.config.parse_errors import refusal
from lit_seg.errors import RunError
from lit_seg.files.yaml_file import read_yaml

KNOWN = (
    "lit_seg.callbacks",
    "lit_seg.checkpoints",
    "lit_seg.data",
    "lit_seg.losses",
    "lit_seg.tasks",
    "torch.optim",
    *(
        f"pytorch_lightning.{part}"
        for part in ("accelerators", "callbacks", "loggers", "plugins", "profilers", "strategies")
    ),
)
"""Packages whose classes a configuration may name; none of them runs code that a file brings.

An object is judged by where it is defined: ``torch.optim.optimizer.torch.load`` is none of these.
"""

_BELOW_KNOWN = tuple(f"{known}." for known in KNOWN)

VARIABLE = "LIT_SEG_TRUST"
"""The environment variable that takes the trust to the other processes of a DDP run."""

_IMPORT_KEYS = (
    *("class_path", "loss", "losses", "optimizer", "lr_scheduler", "data", "callbacks", "logger"),
    *("strategy", "profiler", "plugins", "accelerator"),
)
_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_CONFIG = ("--config", "-c")


def take_trusted(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """The arguments without ``--trust PACKAGE``, and the packages.

    Raises:
        RunError: if one is no name of a package.
    """
    rest: list[str] = []
    packages: list[str] = []
    words = iter(args)
    for word in words:
        name, _, value = word.partition("=")
        if name != "--trust":
            rest.append(word)
            continue
        value = value or next(words, "")
        if not all(part.isidentifier() for part in value.split(".")):
            raise RunError(f"--trust needs a package, such as `--trust my_losses`, got {value!r}")
        packages.append(value)
    return rest, packages


@contextmanager
def only_trusted(args: Sequence[str] = (), packages: Sequence[str] = ()) -> Iterator[None]:
    """Within it, nothing is imported for a configuration but what the user knows of.

    Args:
        args: of the command line; what it names is asked for, what its files name is not.
        packages: given by ``--trust``; those in ``$LIT_SEG_TRUST`` are trusted too.

    Raises:
        RunError: if a configuration file is missing, is no YAML mapping, or names a class of
            another package.
    """
    given = os.environ.get(VARIABLE)
    packages = [*packages, *(given.split(",") if given else ())]
    allowed = [*KNOWN, *packages, *_asked_for(args)]
    _check_configs(args, allowed)
    before = dict(parsing_settings)
    set_parsing_settings(
        import_path_denylist=["*"],
        import_path_allowlist=allowed,
        config_read_mode_fsspec_enabled=False,  # Lightning turns it on: files from URLs
    )
    if packages:
        os.environ[VARIABLE] = ",".join(packages)
    try:
        yield
    finally:
        parsing_settings.update(before)
        if given is not None:
            os.environ[VARIABLE] = given
        else:
            os.environ.pop(VARIABLE, None)


def _asked_for(args: Sequence[str]) -> list[str]:
    """The packages of the import paths that are typed on the command line."""
    found: list[str] = []
    for option, value in _options(args):
        if option not in _CONFIG:
            key = option.removesuffix("+").rpartition(".")[2].removeprefix("--")
            typed = _import_paths(_parsed(value), key)
            found += [path.partition(".")[0] for path in typed if not path.startswith(_BELOW_KNOWN)]
    return [package for package in found if package != "jsonargparse"]  # it refuses that itself


def _check_configs(args: Sequence[str], allowed: Sequence[str]) -> None:
    for option, value in _options(args):
        if option not in _CONFIG or isinstance(_parsed(value), dict):
            continue  # a configuration that is typed is asked for
        for path in _import_paths(read_yaml(Path(value)), ""):
            if not any(path == known or path.startswith(f"{known}.") for known in allowed):
                raise RunError(refusal(f"{value} names {path}", path))


def _import_paths(content: Any, key: str) -> Iterator[str]:
    """The strings in it that would be imported; ``key`` is where it is found."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield from _import_paths(value, str(name).rpartition(".")[2])
    elif isinstance(content, list):
        for value in content:
            yield from _import_paths(value, key)
    elif isinstance(content, str) and key in _IMPORT_KEYS:
        is_file = content.endswith((".yaml", ".yml", ".json"))
        if _IMPORT_PATH.fullmatch(content) and not is_file:
            yield content


def _options(args: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The options with their values, given as ``--x v`` or ``--x=v``."""
    for i, word in enumerate(args):
        if word.startswith("-") and "=" in word:
            option, _, value = word.partition("=")
            yield option, value
        elif word.startswith("-") and i + 1 < len(args):
            yield word, args[i + 1]


def _parsed(value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value
