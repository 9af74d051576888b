"""How a run was trained, as the variables of ``make train``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lit_seg.errors import RunError
from lit_seg.losses.catalogue import every_loss
from lit_seg.runs.layout import CONFIG
from lit_seg.runs.run_name import name_of_place

_DATA_NAMES = {"OxfordPet": "oxford_pet", "VirtualKITTI2": "vkitti2"}
"""DATA of the datasets whose DATA is not the name of their class in lower case."""


@dataclass(frozen=True)
class Origin:
    """How a run was trained.

    Attributes:
        loss: its LOSS, or the class path of a user's own loss; "" if it is not known.
        plain: whether the loss is cross-entropy, which does nothing about imbalance.
        variables: DATA, MODEL, SEED and so on, as far as they are known.
        epochs: the configured length; None if it was given in steps.
        steps: the configured length; None if it was given in epochs.
        pretrained: whether training started from pretrained weights; None if it is not known.
    """

    loss: str
    plain: bool
    variables: dict[str, str]
    epochs: int | None = None
    steps: int | None = None
    pretrained: bool | None = None

    def train(self, loss: str, options: str = "", **changed: str) -> str:
        """The command that trains such a run again with another loss or other variables."""
        variables = {"LOSS": loss, **self.variables, **changed}
        words = [f"{key}={value}" for key, value in variables.items()]
        return " ".join(["make train", *words, *([f'ARGS="{options}"'] if options else [])])


def origin_of(folder: Path) -> Origin:
    """Read the origin of a run from its configuration and its path.

    Raises:
        RunError: if the configuration is damaged.
    """
    config = _config(folder / CONFIG)
    model, trainer = _section(config, "model"), _section(config, "trainer")
    # A run that was moved elsewhere still says in its configuration where it was trained.
    paths = (folder.absolute(), Path(str(trainer.get("default_root_dir") or "")))
    name = next((name for path in paths if (name := name_of_place(path.parts))), None)
    data, _, recipe = name.data.partition("-") if name else ("", "", "")
    parts = [str(model.get(key) or "") for key in ("architecture", "encoder")]
    network = "_".join(parts) if all(parts) else ""
    loss, plain = _loss(_class_path(model, "loss"), name.loss if name else "")
    variables = {
        "DATA": _data(_class_path(config, "data"), data),
        "MODEL": name.model if name else network,
        "SEED": str(name.seed) if name else "",
        "RECIPE": recipe,
        "WEIGHTS": str(model.get("weights") or ""),
        "INIT": str(model.get("init") or ""),
    }
    return Origin(
        loss,
        plain,
        {key: value for key, value in variables.items() if value},
        epochs=_positive(trainer.get("max_epochs")),
        steps=_positive(trainer.get("max_steps")),
        pretrained=bool(model.get("weights") or model.get("init")) if model else None,
    )


def _config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        config = None
    if not isinstance(config, dict):
        raise RunError(f"{path}: the file is damaged, it is not readable as YAML")
    return config


def _section(config: dict[str, Any], key: str) -> dict[str, Any]:
    section = config.get(key)
    return section if isinstance(section, dict) else {}


def _class_path(config: dict[str, Any], key: str) -> str:
    return str(_section(config, key).get("class_path") or "")


def _is_of(class_path: str, package: str) -> bool:
    return "." not in class_path or class_path.startswith(package)


def _loss(class_path: str, in_path: str) -> tuple[str, bool]:
    """LOSS, and whether it is cross-entropy.

    The class decides. A class may have several names; the path of the run then has the one that
    was given.
    """
    for cls in every_loss():
        names = cls.card.name.split(", ")
        same_class = class_path.rsplit(".", 1)[-1] == cls.__name__ and _is_of(class_path, "lit_seg")
        if same_class or (not class_path and in_path in names):
            return in_path if in_path in names else names[0], cls.card.family == "plain"
    return class_path or in_path, False


def _data(class_path: str, in_path: str) -> str:
    """DATA; for a folder of the user's own, a reminder to give the path of its YAML file."""
    name = class_path.rsplit(".", 1)[-1]
    if name == "Folder":
        return f"<path of>/{in_path or 'your'}.yaml"
    if in_path or not _is_of(class_path, "lit_seg"):
        return in_path
    return _DATA_NAMES.get(name, name.lower())


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
