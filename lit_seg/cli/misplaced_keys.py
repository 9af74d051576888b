"""Keys of a configuration file that stand in another section than theirs, or are misspelt."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer

from lit_seg.config.trust import take_option
from lit_seg.data import DATASETS
from lit_seg.errors import RunError
from lit_seg.files.yaml_file import read_yaml

_EXAMPLES = {
    "data": "data: {{class_path: Folder, init_args: {{height: 256}}}}",
    "data.init_args": "data: {{class_path: Folder, init_args: {{{key}: ...}}}}",
    "trainer": "trainer: {{{key}: ...}}",
    "model": "model: {{{key}: ...}}",
}
_ELSEWHERE = {"optimizer", "lr_scheduler"}  # options of LightningCLI too


def check_config_files(args: Sequence[str]) -> None:
    """Check the files that ``--config`` gives; an error as :func:`check_places` raises it."""
    for given in take_option(args, "--config")[0]:
        path = Path(given)
        if path.is_file():
            check_places(path, read_yaml(path))


def check_places(path: Path, content: Mapping[str, Any]) -> None:
    """Look at the sections that hold options of the data, the trainer and the model.

    Raises:
        RunError: if a key is none of its section, and is one of another or nearly one of its own.
    """
    data = _mapping(content.get("data"))
    sections = {"": content, "data": data, "data.init_args": _mapping(data.get("init_args"))}
    sections |= {key: _mapping(content.get(key)) for key in ("trainer", "model")}
    name = str(data.get("class_path", "")).rpartition(".")[2]
    classes = [cls for cls in DATASETS.values() if cls.__name__ == name]
    known = {
        "data": {"class_path", "init_args", "dict_kwargs"},
        "data.init_args": _options_of(classes or [*DATASETS.values()]),
        "trainer": _options_of([Trainer]),
    }
    if name and not classes:  # a class of the user's, whose options are not known here
        del sections["data.init_args"]
    for where, section in sections.items():
        for key in section:
            if key in known.get(where, ()) or (key in _ELSEWHERE and not where):
                continue
            known |= _of_the_model(known)
            if key not in known.get(where, ()):
                _refuse(f"{path}: `{f'{where}.' if where else ''}{key}`", key, where, known)


def _refuse(what: str, key: str, where: str, known: Mapping[str, set[str]]) -> None:
    place = next((place for place, keys in known.items() if key in keys), None)
    if place:
        example = _EXAMPLES[place].format(key=key)
        raise RunError(f"{what} belongs under `{place}`, such as `{example}`")
    if near := get_close_matches(key, known.get(where, ()), 1):
        raise RunError(f"{what} is no option; did you mean `{near[0]}`?")


def _of_the_model(known: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The options of the model, if they are not known yet: to import it takes seconds."""
    if "model" in known:
        return {}
    from lit_seg.tasks import LitSegmenter

    return {"model": _options_of([LitSegmenter])}


def _options_of(classes: Sequence[type]) -> set[str]:
    """The options of the classes, also those that they pass on to what they inherit from."""
    bases = {base for cls in classes for base in cls.__mro__ if "__init__" in vars(base)}
    return {key for base in bases - {object} for key in signature(base).parameters}


def _mapping(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}
