"""Restricts what a configuration may tell a known class without `--trust`.

A class that is known to be harmless can still be told to send the user's key to another server, or
to write into another folder. So the classes of Lightning get from a configuration only numbers, and
text for the arguments that are listed here; a class or an argument that is not listed is asked for.
"""

import os
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning.loggers import Logger

from lit_seg.config.trust import KNOWN, is_within, trusted_packages, typed_options
from lit_seg.errors import RunError

OWN = tuple(f"lit_seg.{room}" for room in ("callbacks", "checkpoints", "data", "losses", "tasks"))
"""Packages of this project whose classes a configuration may name."""

_PARTS = ("init_args", "dict_kwargs")

TEXT = {
    # callbacks
    "BackboneFinetuning": "",
    "BatchSizeFinder": "mode batch_arg_name",
    "DeviceStatsMonitor": "",
    "EMAWeightAveraging": "device",
    "EarlyStopping": "monitor mode",
    "GradientAccumulationScheduler": "",
    "LearningRateFinder": "mode attr_name",
    "LearningRateMonitor": "logging_interval",
    "ModelCheckpoint": "monitor mode save_last dirpath filename",
    "ModelPruning": "pruning_fn parameter_names",
    "ModelSummary": "",
    "OnExceptionCheckpoint": "dirpath filename",
    "RichModelSummary": "",
    "RichProgressBar": "theme",
    "SpikeDetection": "mode exclude_batches_path",
    "StochasticWeightAveraging": "annealing_strategy device",
    "TQDMProgressBar": "",
    "Timer": "duration interval",
    "WeightAveraging": "device",
    # loggers: those that are not listed send to a server, or take its address
    "CSVLogger": "save_dir name version prefix flush_logs_every_n_steps",
    "TensorBoardLogger": (
        "save_dir name version prefix sub_dir log_graph default_hp_metric "
        "max_queue flush_secs comment filename_suffix purge_step"
    ),
    "WandbLogger": (
        "save_dir dir name version id project offline mode prefix checkpoint_name add_file_policy "
        "tags notes group job_type"
    ),
    # profilers: the one of XLA opens a port
    "AdvancedProfiler": "dirpath filename",
    "PassThroughProfiler": "dirpath filename",
    "PyTorchProfiler": "dirpath filename sort_by_key",
    "SimpleProfiler": "dirpath filename",
    # accelerators, strategies and plugins
    "CPUAccelerator": "",
    "CUDAAccelerator": "",
    "DDPStrategy": "process_group_backend",
    "DoublePrecision": "",
    "HalfPrecision": "precision",
    "MPSAccelerator": "",
    "MixedPrecision": "precision device",
    "Precision": "",
    "SingleDeviceStrategy": "device",
    "TorchSyncBatchNorm": "",
    # our own that take a path; others of ours are not asked for
    "BestCheckpoint": "dirpath monitor",
    "LastCheckpoint": "dirpath",
}
"""The classes that a configuration may name, and their arguments that may be text."""

_FOLDERS = {"dirpath", "dir", "exclude_batches_path", "save_dir"}
"""Arguments that may be a path within the folder of the run."""
_NAMES = {"checkpoint_name", "filename", "id", "name", "prefix", "sub_dir", "version"} | {
    *("comment", "filename_suffix"),
}
"""Arguments that become a part of a path, which must not lead out of its folder."""
_ELSEWHERE = re.compile(r"://|::|^data:|^~|\$")
"""A path with one of these is an address, or Lightning writes another one in its place."""
_ENDLESS = re.compile(r"\{[^}]*(?:\d{3}|__)")
"""A place in a name that is filled with hundreds of digits or with the insides of an object."""


def check_reach(
    config: Namespace, folder: Path, args: Sequence[str], sections: Mapping[str, type]
) -> None:
    """Refuse arguments by which a class could reach beyond the run, unless the user asks for it.

    Args:
        config: the options, parsed.
        folder: of the run.
        args: the command line; what is typed there is asked for.
        sections: options that hold the arguments of one class, which they do not name.

    Raises:
        RunError: naming the option, its value and the ``--trust`` that allows it.
    """
    trusted = trusted_packages()
    typed = {leaf for option, value in typed_options(args) for leaf in _leaves(option, value)}
    given = [(key, cls, _mapping(config.get(key) or {})) for key, cls in sections.items()]
    for key, cls, arguments in [*given, *_classes(config, "")]:
        limited = cls.__module__.startswith("pytorch_lightning.") or cls.__name__ in TEXT
        if not limited or is_within(f"{cls.__module__}.{cls.__name__}", trusted):
            continue
        for option, value in _beyond(cls, arguments, folder):
            if not typed.issuperset(_leaves(f"{key}.{option}", value)):
                raise RunError(
                    f"`{key}.{option}`: {cls.__name__} can reach the network, programs or files "
                    f"outside of {folder} by {reprlib.repr(value)}; if you trust it, "
                    f"add `--trust {cls.__module__}`"
                )


def _leaves(option: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the values that an option holds, with their names; a class yields its arguments."""
    if isinstance(value, dict | Namespace):
        for key, each in _mapping(value).items():
            yield from _leaves(f"{option}.{key}", each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _leaves(option, each)
    else:
        yield ".".join(word for word in option.split(".") if word not in ("", *_PARTS)), str(value)


def _classes(value: Any, key: str) -> Iterator[tuple[str, type, dict[str, Any]]]:
    """Yield the option, the class and the arguments of each known class that the options name."""
    if isinstance(value, list):
        for each in value:
            yield from _classes(each, key)
    elif isinstance(value, dict | Namespace):
        options = _mapping(value)
        path = str(options.get("class_path"))
        module, _, name = path.rpartition(".")
        cls = (
            getattr(import_module(module), name, None) if is_within(path, (*KNOWN, *OWN)) else None
        )
        if isinstance(cls, type):
            told = [_mapping(options.get(part) or {}) for part in _PARTS]
            yield key, cls, {name: each for part in told for name, each in part.items()}
        for name, each in options.items():
            yield from _classes(each, key if name in _PARTS else f"{key}.{name}".lstrip("."))


def _beyond(cls: type, arguments: Mapping[str, Any], folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield the arguments by which the class could reach beyond the run, or the class itself."""
    if cls.__name__ not in TEXT:
        yield "class_path", cls.__name__
        return
    listed = TEXT[cls.__name__].split()
    defaults = {name: each.default for name, each in signature(cls).parameters.items()}
    for name, value in arguments.items():
        if value is None or value == defaults.get(name):
            continue
        text = str(value)
        chosen = text.removeprefix(f"{folder}{os.sep}") if name in _FOLDERS else text
        if name in listed and name in _FOLDERS | _NAMES and _ELSEWHERE.search(chosen):
            within = False
        elif name in listed and name in _FOLDERS:
            within = Path(os.path.realpath(text)).is_relative_to(os.path.realpath(folder))
        elif name in listed and name in _NAMES:
            leads_out = os.path.isabs(text) or ".." in Path(text).parts
            within = not leads_out and not _ENDLESS.search(text)
        else:
            within = name in listed or (_is_number(value) and not issubclass(cls, Logger))
        if not within:
            yield name, value


def _is_number(value: Any) -> bool:
    """Whether a value is a number or holds only numbers; a class in it is checked by itself."""
    if isinstance(value, dict | Namespace):
        options = _mapping(value)
        return "class_path" in options or all(map(_is_number, options.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_number, value))
    return value is None or value == "" or isinstance(value, int | float | Enum | timedelta)


def _mapping(value: Mapping[str, Any] | Namespace) -> Mapping[str, Any]:
    return vars(value) if isinstance(value, Namespace) else value
