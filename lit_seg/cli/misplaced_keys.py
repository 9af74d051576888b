"""Finds keys of a configuration file that are in the wrong section, or misspelt."""

from collections.abc import Collection, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer

from lit_seg.config.parse_errors import OTHER_WORDS
from lit_seg.config.trust import take_option
from lit_seg.data import DATASETS
from lit_seg.errors import RunError, near
from lit_seg.files.yaml_file import read_yaml

_EXAMPLES = {
    "data": "data: {class_path: Folder, init_args: {height: 256}}",
    "data.init_args": "data: {class_path: Folder, init_args: {KEY: ...}}",
    "trainer": "trainer: {KEY: ...}",
    "model": "model: {KEY: ...}",
}
_OF_CLASSES = ("class_path", "init_args", "dict_kwargs")
_ELSEWHERE = {"optimizer", "lr_scheduler"}  # options of LightningCLI too


def check_config_files(
    args: Sequence[str],
    datasets: Mapping[str, type] = DATASETS,
    module: type | None = None,
) -> None:
    """Check the files that ``--config`` gives by :func:`check_places`."""
    for given in take_option(args, "--config")[0]:
        path = Path(given)
        if path.is_file():
            check_places(path, read_yaml(path), datasets, module)


def check_places(
    path: Path,
    content: Mapping[str, Any],
    datasets: Mapping[str, type] = DATASETS,
    module: type | None = None,
) -> None:
    """Look at the sections that hold options of the data, the trainer and the model.

    Args:
        path: of the file.
        content: of the file.
        datasets: the DataModules whose options are known.
        module: whose options a model has; ``LitSegmenter`` by default.

    Raises:
        RunError: if a section is no mapping, an option of the data is empty, or a key is none of
            its section and one of another, or nearly one of its own.
    """
    data = _mapping(path, "data", content)
    sections = {"": content, "data": data, "data.init_args": _mapping(path, "data.init_args", data)}
    sections |= {key: _mapping(path, key, content) for key in ("trainer", "model")}
    name = str(data.get("class_path", "")).rpartition(".")[2]
    classes = [cls for cls in datasets.values() if cls.__name__ == name]
    options = _options_of(classes or [*datasets.values()])
    known: dict[str, Collection[str]] = {
        "": {"data", "trainer", "model", "seed_everything", "run_dir"},
        "data": _OF_CLASSES,
        "data.init_args": options,
        "trainer": _options_of([Trainer]),
    }
    if name and not classes:  # a class of the user's, whose options are not known here
        del sections["data.init_args"]
    _check_classes(path, "", content)
    for where, section in sections.items():
        for key, value in section.items():
            if where == "data.init_args" and value is None and options.get(key) is not None:
                raise RunError(f"{path}: `{key}` has no value; give it one, or leave the line out")
            if key in known.get(where, ()) or (key in _ELSEWHERE and not where):
                continue
            if "model" not in known:  # to import it takes seconds
                from lit_seg.tasks import LitSegmenter

                known["model"] = _options_of([module or LitSegmenter])
            if key not in known[where]:
                _refuse(f"{path}: `{f'{where}.' if where else ''}{key}`", key, where, known)


def _check_classes(path: Path, where: str, content: Any) -> None:
    """Refuse an option beside ``class_path``: with it, nobody would take that for a class."""
    if isinstance(content, list):
        for each in content:
            _check_classes(path, where, each)
    elif isinstance(content, Mapping):
        beside = [key for key in content if key not in _OF_CLASSES]
        if "class_path" in content and beside and where not in ("", "data"):
            raise RunError(
                f"{path}: `{where}.{beside[0]}` belongs under `{where}.init_args`, such as "
                f"`{{class_path: {content['class_path']}, init_args: {{{beside[0]}: ...}}}}`"
            )
        for key, each in content.items():
            _check_classes(path, f"{where}.{key}".lstrip("."), each)


def _refuse(what: str, key: str, where: str, known: Mapping[str, Collection[str]]) -> None:
    if meant := OTHER_WORDS.get(key):
        *parts, last = meant.split(".")
        nested = "".join(f"{part}: {{" for part in parts) + f"{last}: ..." + "}" * len(parts)
        raise RunError(f"{what} is no option; did you mean `{nested}`?")
    place = next((place for place, keys in known.items() if key in keys), None)
    if place:
        example = _EXAMPLES[place].replace("KEY", key)
        raise RunError(f"{what} belongs under `{place}`, such as `{example}`")
    if meant := near(key, known[where], listed=False):
        raise RunError(f"{what} is no option{meant}")
    if where == "data" and "." not in key:  # which has no other keys, whatever the dataset
        raise RunError(f"{what} is no option; give the data by `{_EXAMPLES['data']}`")


def _options_of(classes: Sequence[type]) -> dict[str, Any]:
    """List the options of the classes, also those that they pass on, with their defaults."""
    bases = (base for cls in classes for base in cls.__mro__[-2::-1] if "__init__" in vars(base))
    parameters = [each for base in bases for each in signature(base).parameters.values()]
    return {each.name: None if each.default is each.empty else each.default for each in parameters}


def _mapping(path: Path, where: str, content: Mapping[str, Any]) -> dict[str, Any]:
    """Take a section of a content; it is empty if there is none, or if it is a class path."""
    given = content.get(where.rpartition(".")[2])
    if given is None or (where == "data" and isinstance(given, str)):
        return {}
    if not isinstance(given, dict):
        example = _EXAMPLES[where].replace("KEY", "option")
        raise RunError(f"{path}: `{where}` must be such as `{example}`, got {given!r}")
    return given
