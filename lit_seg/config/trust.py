"""Decides which packages a configuration may import code from.

``class_path: x.y`` in a configuration imports ``x`` and may call ``y``. A configuration from
elsewhere must not choose freely. It may name classes of :data:`KNOWN` packages and of those of this
project that the caller gives, and what the user types on the command line or allows by
``--trust PACKAGE``. jsonargparse enforces this for every import path. The files given by
``--config`` are also checked before, so that the error names the file.
"""

import os
import re
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from lit_seg.config.jsonargparse_private import temporary_parsing_settings
from lit_seg.config.parse_errors import refusal
from lit_seg.errors import RunError
from lit_seg.files.yaml_file import parse_yaml, read_yaml

KNOWN = (
    "torch.optim",
    *(
        f"pytorch_lightning.{part}"
        for part in ("accelerators", "callbacks", "loggers", "plugins", "profilers", "strategies")
    ),
)
"""Packages of others whose classes a configuration may name; none runs code from a file.

The package that defines an object counts: ``torch.optim.optimizer.torch.load`` is not allowed.
"""

VARIABLE = "LIT_SEG_TRUST"
"""The environment variable that tells the other processes of a DDP run what is trusted."""

_IMPORT_KEYS = (
    *("class_path", "loss", "losses", "optimizer", "lr_scheduler", "data", "callbacks", "logger"),
    *("strategy", "profiler", "plugins", "accelerator"),
)
_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_CONFIG = ("--config", "-c")


def take_trusted(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the arguments into those without ``--trust PACKAGE``, and the packages."""
    packages, others = take_option(args, "--trust")
    for source, names in (("--trust", packages), (VARIABLE, trusted_packages())):
        for package in names:
            if not all(part.isidentifier() for part in package.split(".")):
                raise RunError(
                    f"{source} needs a package, such as `--trust my_losses`, got {package!r}"
                )
    return others, packages


def take_option(args: Sequence[str], option: str) -> tuple[list[str], list[str]]:
    """Split the arguments into the values of an option and the others; no value means empty."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(option, nargs="?", const="", action="append", default=[], dest="values")
    given, others = parser.parse_known_args(args)
    return given.values, others


@contextmanager
def only_trusted(
    args: Sequence[str] = (), packages: Sequence[str] = (), own: Sequence[str] = ()
) -> Iterator[None]:
    """Let configurations import code of known and trusted packages only, within this context.

    Args:
        args: the command line; packages that it names are trusted, but not those that its files
            name.
        packages: given by ``--trust``; those in ``$LIT_SEG_TRUST`` are trusted too.
        own: packages of this project whose classes may be named.

    Raises:
        RunError: if a configuration file cannot be read, or names a class of another package.
    """
    given = os.environ.get(VARIABLE)
    packages = [*packages, *trusted_packages()]
    known = [*KNOWN, *own]
    allowed = [*known, *packages, *_typed_packages(args, known)]
    _check_configs(args, allowed)
    if packages:
        os.environ[VARIABLE] = ",".join(packages)
    try:
        with temporary_parsing_settings(
            import_path_denylist=["*"],
            import_path_allowlist=allowed,
            config_read_mode_fsspec_enabled=False,  # Lightning turns it on: files from URLs
        ):
            yield
    finally:
        if given is not None:
            os.environ[VARIABLE] = given
        else:
            os.environ.pop(VARIABLE, None)


def trusted_packages() -> list[str]:
    """The packages that ``--trust`` gave, within :func:`only_trusted`."""
    given = os.environ.get(VARIABLE)
    return given.split(",") if given else []


def typed_options(args: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Yield the name and the value of each typed option, but not of configuration files.

    A configuration that is typed has no name.
    """
    for option, value in _options(args):
        content = _parsed(value)
        if option not in _CONFIG:
            yield option.removesuffix("+").removeprefix("--"), content
        elif isinstance(content, dict):
            yield "", content


def _typed_packages(args: Sequence[str], known: Sequence[str]) -> list[str]:
    """List the packages of import paths on the command line, except known packages."""
    found: list[str] = []
    for key, value in typed_options(args):
        typed = _import_paths(value, key.rpartition(".")[2])
        found += [path.partition(".")[0] for path in typed if not is_within(path, known)]
    return [package for package in found if package != "jsonargparse"]  # it refuses its own


def _check_configs(args: Sequence[str], allowed: Sequence[str]) -> None:
    for option, value in _options(args):
        if option not in _CONFIG or isinstance(_parsed(value), dict):
            continue  # a configuration typed on the command line is trusted
        content = read_yaml(Path(value))
        if "config" in content:  # it would be read without these checks
            raise RunError(
                f"{value}: `config` cannot stand in a file; give each file by a --config of its own"
            )
        for path in _import_paths(content, ""):
            if not is_within(path, allowed):
                raise RunError(refusal(f"{value} names {path}", path))


def is_within(path: str, packages: Sequence[str]) -> bool:
    return f"{path}.".startswith(tuple(f"{package}." for package in packages))


def _import_paths(content: Any, key: str) -> Iterator[str]:
    """Yield the strings in ``content`` that would be imported; ``key`` is the option."""
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
    """Yield the options with their values, given as ``--x v`` or ``--x=v``."""
    for i, word in enumerate(args):
        if word.startswith("-") and "=" in word:
            option, _, value = word.partition("=")
            yield option, value
        elif word.startswith("-") and i + 1 < len(args):
            yield word, args[i + 1]


def _parsed(value: str) -> Any:
    try:
        return parse_yaml(value) if value else value
    except yaml.YAMLError:
        return value
