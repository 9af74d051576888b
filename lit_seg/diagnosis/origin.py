"""What a run was trained with, as the variables of ``make train``."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lit_seg.errors import RunError
from lit_seg.losses.catalogue import every_loss
from lit_seg.runs.layout import CONFIG

_FOLDER = re.compile(r"(?:^|/)([^/]+)/([^/]+)/([^/]+)/seed(\d+)(?:-\d+)?$")


@dataclass(frozen=True)
class Origin:
    """Where a run comes from.

    Attributes:
        loss: what LOSS calls it, or the class of a loss of somebody's own; "" if not known.
        plain: whether it is cross-entropy, which does nothing about imbalance.
        variables: DATA, MODEL, SEED and so on, as far as they are known.
        epochs: how long it trained; None if that was set in steps.
        steps: None if it was set in epochs.
        pretrained: whether the encoder started from weights; None if not known.
    """

    loss: str
    plain: bool
    variables: dict[str, str]
    epochs: int | None = None
    steps: int | None = None
    pretrained: bool | None = None

    def train(self, loss: str, options: str = "", **changed: str) -> str:
        """The command that trains another run like this one."""
        known = {"LOSS": loss, **self.variables, **changed}
        words = [f"{key}={value}" for key, value in known.items()]
        return " ".join(["make train", *words, *([f'ARGS="{options}"'] if options else [])])


def origin_of(folder: Path) -> Origin:
    """Read it off the configuration and the path of a run.

    Raises:
        RunError: if the configuration is damaged.
    """
    config = _config(folder / CONFIG)
    model, trainer = _part(config, "model"), _part(config, "trainer")
    written = [str(config.get("run") or ""), str(trainer.get("default_root_dir") or "")]
    paths = [str(folder.absolute()), *written]
    found = next((match for path in paths if (match := _FOLDER.search(path))), None)
    data, network, of_path, seed = found.groups() if found else ("", "", "", "")
    loss, plain = _loss(str(_part(model, "loss").get("class_path") or ""), of_path)
    name, _, recipe = data.partition("-")
    named = _data(str(_part(config, "data").get("class_path") or ""), name)
    asked = {"DATA": named, "MODEL": network or _network(model), "SEED": seed, "RECIPE": recipe}
    variables = {key: value for key, value in asked.items() if value}
    if model.get("weights"):
        variables["WEIGHTS"] = str(model["weights"])
    if model.get("init"):
        variables["INIT"] = str(model["init"])
    return Origin(
        loss,
        plain,
        variables,
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
        raise RunError(f"{path}: cannot be read as YAML; it is damaged")
    return config


def _part(config: dict[str, Any], key: str) -> dict[str, Any]:
    part = config.get(key)
    return part if isinstance(part, dict) else {}


def _loss(class_path: str, of_path: str) -> tuple[str, bool]:
    """Name and plainness; the class decides, the path tells names of one class apart."""
    for cls in every_loss():
        names = cls.card.name.split(", ")
        ours = class_path.startswith("lit_seg.") or "." not in class_path
        same = class_path.rsplit(".", 1)[-1] == cls.__name__ and ours
        if same or (not class_path and of_path in names):
            return of_path if of_path in names else names[0], cls.card.family == "plain"
    return class_path or of_path, False


def _data(class_path: str, of_path: str) -> str:
    """DATA of a dataset class; the path of a YAML file of somebody's own is not known."""
    if class_path.rsplit(".", 1)[-1] == "Folder":
        return f"<path of>/{of_path or 'your'}.yaml"
    if of_path or not class_path:
        return of_path
    from lit_seg.data import DATASETS  # only now: it imports what reads images

    here = [name for name, cls in DATASETS.items() if cls.__name__ == class_path.rsplit(".", 1)[-1]]
    return here[0] if here else ""


def _network(model: dict[str, Any]) -> str:
    parts = [str(model.get(key) or "") for key in ("architecture", "encoder")]
    return "_".join(parts) if all(parts) else ""


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
