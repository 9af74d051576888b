"""How a run was trained, as the variables of ``make train``."""

from dataclasses import dataclass
from pathlib import Path

from lit_seg.losses.catalogue import every_loss
from lit_seg.runs.run_name import name_of_place
from lit_seg.runs.summary import options_of

_DATA_NAMES = {"OxfordPet": "oxford_pet", "VirtualKITTI2": "vkitti2"}
"""DATA of the datasets whose DATA is not the name of their class in lower case."""


@dataclass(frozen=True)
class Origin:
    """How a run was trained."""

    loss: str  # LOSS, or the class path of a user's own loss; "" if it is not known
    plain: bool  # whether the loss is cross-entropy, which does nothing about imbalance
    variables: dict[str, str]  # DATA, MODEL, SEED and so on, as far as they are known
    epochs: int | None  # the configured length; None if it was given in steps
    steps: int | None
    pretrained: bool | None  # whether training started from such weights; None if not known

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
    given = {key: value for key, value in options_of(folder).items() if value not in (None, "")}
    options = {key: str(value) for key, value in given.items()}
    # A run that was moved elsewhere still says in its configuration where it was trained.
    paths = (folder.absolute(), Path(options.get("trainer.default_root_dir", "")))
    name = next((name for path in paths if (name := name_of_place(path.parts))), None)
    data, _, recipe = name.data.partition("-") if name else ("", "", "")
    network = [options.get(f"model.{key}", "") for key in ("architecture", "encoder")]
    loss, plain = _loss(options.get("model.loss.class_path", ""), name.loss if name else "")
    variables = {
        "DATA": _data(options.get("data.class_path", ""), data),
        "MODEL": name.model if name else "_".join(network) if all(network) else "",
        "SEED": str(name.seed) if name else "",
        "RECIPE": recipe,
        "WEIGHTS": options.get("model.weights", ""),
        "INIT": options.get("model.init", ""),
    }
    variables = {key: value for key, value in variables.items() if value}
    return Origin(
        loss,
        plain,
        variables,
        epochs=_positive(options.get("trainer.max_epochs", "")),
        steps=_positive(options.get("trainer.max_steps", "")),
        pretrained=bool({"WEIGHTS", "INIT"} & set(variables)) if options else None,
    )


def _loss(class_path: str, in_path: str) -> tuple[str, bool]:
    """LOSS, and whether it is cross-entropy.

    The class decides. A class may have several names; the path of the run then has the one that
    was given.
    """
    for cls in every_loss():
        names = cls.card.name.split(", ")
        if cls.__name__ == _class_of_ours(class_path) or (not class_path and in_path in names):
            return in_path if in_path in names else names[0], cls.card.family == "plain"
    return class_path or in_path, False


def _data(class_path: str, in_path: str) -> str:
    """DATA; for a folder of the user's own, a reminder to give the path of its YAML file."""
    name = _class_of_ours(class_path)
    if name == "Folder":
        return f"<path of>/{in_path or 'your'}.yaml"
    return in_path or _DATA_NAMES.get(name, name.lower())


def _class_of_ours(class_path: str) -> str:
    """The name of a class of this package; "" for another."""
    module, _, name = class_path.rpartition(".")
    return name if not module or module.startswith("lit_seg") else ""


def _positive(number: str) -> int | None:
    return int(number) if number.isdigit() and int(number) else None
