"""The DataModule that ``NAME --option value`` describes, for the dataset commands."""

from argparse import ArgumentError
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast, get_args

from jsonargparse import ArgumentParser

from lit_seg.cli.commands.run_command import near_option
from lit_seg.cli.layers import EXPERIMENTS
from lit_seg.cli.misplaced_keys import check_places
from lit_seg.config.parse_errors import explain, refusal
from lit_seg.config.trust import take_trusted
from lit_seg.data import DATASETS, SegDataModule
from lit_seg.data.card import SplitName
from lit_seg.data.counting.count import ImageCounts, count_images
from lit_seg.errors import RunError, near
from lit_seg.files.yaml_file import read_yaml

_SUFFIXES = (".yaml", ".yml")
_ANY_SIZE = 512  # for datasets without a native size; the commands need none
# these options concern training, not the files
_NOT_OF_FILES = {"sampling", "seed", "num_workers", "batch_size"}


def dataset_of(
    args: Sequence[str], command: str, extra: dict[str, Any] | None = None
) -> tuple[SegDataModule, dict[str, Any]]:
    """Make the DataModule that the arguments of a command describe.

    Args:
        args: NAME or a YAML file, then options.
        command: name of the command, for messages.
        extra: more options with their defaults, which also give their types; they replace options
            of the dataset of the same names.

    Returns:
        The DataModule and the values of ``extra``.
    """
    args, packages = take_trusted(args)
    if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
        raise RunError(f"{command} of what? Give one of {', '.join(DATASETS)}, or a YAML file")
    if args[0] in ("-h", "--help"):
        args = ["folder", "--help"]
    cls, given = _class_and_options(args[0], packages)
    parser = ArgumentParser(
        prog=f"python -m lit_seg data {command} NAME", exit_on_error=False, allow_abbrev=False
    )
    extra = extra or {}
    left_out = _NOT_OF_FILES | set(extra)
    for name, default in extra.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    parser.add_class_arguments(cls, skip=left_out)
    given = {key: value for key, value in given.items() if key not in left_out}
    if cls.native_size is None:
        given = {"height": _ANY_SIZE, "width": _ANY_SIZE, **given}
    try:
        asked = parser.parse_args(list(args[1:]), namespace=parser.parse_object(given))
        options = {key: value for key, value in vars(asked).items() if key not in extra}
        if options.get("name", "") is None and args[0] not in DATASETS:
            options["name"] = Path(args[0]).stem
        data = cls(**options, num_workers=0)
    except (ArgumentError, ValueError) as error:
        reason = error.message if isinstance(error, ArgumentError) else str(error)
        reason += near_option(reason, parser)
        said = explain(reason, f"python -m lit_seg data {command} {args[0]}")
        raise RunError(f"{args[0]}: {said}") from None
    return data, {key: asked[key] for key in extra}


def split_counts(data: SegDataModule, name: str) -> ImageCounts:
    """Count the classes of a split; the counts of the training split are cached."""
    if name not in get_args(SplitName):
        raise RunError(f"--split must be one of {', '.join(get_args(SplitName))}, got {name!r}")
    if name == "train":
        return data.image_counts
    return count_images(data.split(cast(SplitName, name)), len(data.names))


def _class_and_options(
    name: str, packages: Sequence[str]
) -> tuple[type[SegDataModule], dict[str, Any]]:
    """Find the class and the options that a name, or the ``data`` section of a file, stands for."""
    if name in DATASETS:
        return DATASETS[name], {}
    path = Path(name)
    if not name.endswith(_SUFFIXES):
        path = EXPERIMENTS / "data" / f"{name}.yaml"
        if not path.is_file():
            raise RunError(f"no dataset {name!r}{near(name, DATASETS)}, or give a YAML file")
    content = read_yaml(path)
    check_places(path, content)
    section = content.get("data")
    if not isinstance(section, dict) or "class_path" not in section:
        raise RunError(
            f"{path}: has no `data` section with a `class_path`, such as `data: {{class_path: "
            "Folder, init_args: {root: /data/mine, ids: [background, crack]}}`"
        )
    return _class(str(section["class_path"]), path, packages), section.get("init_args") or {}


def _class(name: str, path: Path, packages: Sequence[str]) -> type[SegDataModule]:
    """Find a class of this project, or one of a package that the user trusts."""
    ours = {cls.__name__: cls for cls in DATASETS.values()}
    for short, cls in ours.items():
        if name in (short, f"lit_seg.data.{short}", f"{cls.__module__}.{short}"):
            return cls
    module, _, last = name.rpartition(".")
    if not module or module.startswith("lit_seg."):
        raise RunError(f"{path}: no dataset {name!r}{near(name, ours)}")
    if name.partition(".")[0] not in packages:
        raise RunError(refusal(f"{path} names {name}", name))
    try:
        found = getattr(import_module(module), last, None)
    except ImportError as error:
        raise RunError(f"{path}: {name} cannot be imported ({error})") from None
    if not (isinstance(found, type) and issubclass(found, SegDataModule)):
        raise RunError(f"{path}: {name} is no SegDataModule")
    return found
