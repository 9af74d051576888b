"""Finds the configurations of a training by name, and the folder of its run.

The files are in ``experiments/`` of a clone, and in an installed package beside its modules.
"""

from collections.abc import Iterable
from pathlib import Path

import lit_seg
from lit_seg.errors import RunError, near
from lit_seg.files.escape import file_name
from lit_seg.files.yaml_file import read_yaml

_PACKAGE = Path(lit_seg.__file__).absolute().parent
EXPERIMENTS = next(
    folder / "experiments"
    for folder in (_PACKAGE, _PACKAGE.parent)
    if (folder / "experiments" / "base.yaml").is_file()
)


def names(kind: str, place: Path = EXPERIMENTS) -> list[str]:
    """List the names of all ``data``, ``recipe``, ``model`` or ``loss`` configurations, sorted."""
    return sorted(path.stem for path in (place / kind).glob("*.yaml"))


def layers(data: str, model: str, loss: str, recipe: str = "") -> list[Path]:
    """List the files of a training; a later file overrides options of an earlier one.

    Args:
        data: a name, or a YAML file of one's own.
        model, loss: names.
        recipe: a name as :func:`whole_recipe` takes it, or "" for none. A recipe of a dataset fits
            a file of one's own, too.

    Raises:
        RunError: if there is no such name, or if the recipe is of another dataset.
    """
    files = [EXPERIMENTS / "base.yaml", _layer("data", data)]
    recipe = whole_recipe(recipe, data)
    files += [_layer("recipe", recipe)] if recipe else []
    if recipe and not is_file(data) and not recipe.endswith(f"_{data}"):
        raise RunError(f"RECIPE={recipe} is of another dataset than DATA={data}")
    files += [_layer("model", model), _layer("loss", loss)]
    # options that the loss has in the paper of the recipe, where those are not the defaults
    of_paper = EXPERIMENTS / "loss" / f"of_{recipe.partition('_')[0]}_paper" / f"{loss}.yaml"
    return [*files, of_paper] if of_paper.is_file() else files


def whole_recipe(recipe: str, data: str) -> str:
    """Add the dataset to a recipe that leaves it out: ``strong_camvid`` for ``strong``.

    A file of one's own takes that of the dataset ``folder``.
    """
    whole = f"{recipe}_{'folder' if is_file(data) else data}"
    return whole if whole in names("recipe") else recipe


def config_options(files: Iterable[Path]) -> list[str]:
    """Write the options of ``fit`` that give these files."""
    return [word for file in files for word in ("--config", str(file))]


def run_folder(runs: Path, data: str, model: str, loss: str, seed: int, recipe: str = "") -> Path:
    """Write ``<runs>/<data>/<model>/<loss>/seed<k>``; a recipe is added to the name of the data."""
    name = name_of_data(data)
    recipe = whole_recipe(recipe, data)
    return runs / (f"{name}-{recipe}" if recipe else name) / model / loss / f"seed{seed}"


def name_of_data(data: str) -> str:
    """The part of a run's path that names its data."""
    return file_name(Path(data).stem) if is_file(data) else data


def is_file(data: str) -> bool:
    """Whether data are given by a YAML file of one's own, and not by a name."""
    return data.endswith((".yaml", ".yml"))


def _layer(kind: str, name: str) -> Path:
    path = EXPERIMENTS / kind / f"{name}.yaml"
    if kind == "data" and is_file(name):
        path = Path(name).absolute()
        if not path.is_file():
            raise RunError(f"DATA={name}: there is no such file")
        if not read_yaml(path).get("data"):  # each training would end with it
            raise RunError(
                f"DATA={name}: has no `data` section, such as `data: {{class_path: Folder, "
                "init_args: {root: /data/mine, ids: [background, crack]}}`"
            )
    elif name not in names(kind):
        raise RunError(f"unknown {kind.upper()}={name}{near(name, names(kind))}")
    return path
