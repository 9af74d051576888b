"""The methods of the recall paper's Tables 4 and 5 by name, and the configurations of each."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lit_seg.cli.layers import EXPERIMENTS, is_file, name_of_data, names
from lit_seg.cli.trainings import Run
from lit_seg.errors import RunError, near
from lit_seg.files.yaml_file import read_yaml

PLACE = EXPERIMENTS / "classification"
"""The configurations of classification."""

SECOND_STAGES = ("crt", "lws", "tau_norm", "post_hoc", "ncm", "oltr")
"""The methods that need a finished run of the first stage."""
FIRST_STAGE = ("plain", "ce")
"""Method and loss of that run."""
UNTRAINED = ("tau_norm", "post_hoc", "ncm")
"""Those of them that train nothing, whose loss is that of the first stage."""


class Row(NamedTuple):
    """A row of a table: its title, and the names of the method's and the loss's configuration."""

    title: str
    model: str
    loss: str


ROWS = {
    "ce": Row("CE", "plain", "ce"),
    "ce_class_aware": Row("CE, class-aware sampling", "class_aware", "ce"),
    "lifted": Row("Lifted structure loss", "lifted", "ce"),
    "focal": Row("Focal loss", "plain", "focal"),
    "range": Row("Range loss", "range", "ce"),
    "focal_drw": Row("Focal-DRW", "plain", "focal_drw"),
    "ldam": Row("LDAM", "plain", "ldam"),
    "ldam_drw": Row("LDAM-DRW", "plain", "ldam_drw"),
    "oltr": Row("OLTR", "oltr", "ce"),
    "ncm": Row("NCM", "ncm", "ce"),
    "crt": Row("cRT", "crt", "ce"),
    "tau_norm": Row("τ-norm", "tau_norm", "ce"),
    "lws": Row("LWS", "lws", "ce"),
    "bbn": Row("BBN", "bbn", "ce"),
    "balanced_softmax": Row("Balanced softmax", "plain", "balanced_softmax"),
    "logit_adjustment": Row("Logit adjustment, in training", "plain", "logit_adjustment"),
    "post_hoc": Row("Logit adjustment, post hoc", "post_hoc", "ce"),
    "sdn_ce": Row("SDN-CE", "sdn", "ce"),
    "sdn_recall": Row("SDN-recall", "sdn", "recall"),
    "sdn_recall_epoch": Row("SDN-recall, over epochs", "sdn", "recall_epoch"),
    "sdn_recall_mean": Row("SDN-recall, over epochs, mean over images", "sdn", "recall_mean"),
    "sdn_recall_step": Row("SDN-recall of each batch, mean over images", "sdn", "recall_step"),
    "sdn_recall_inverse": Row("SDN-recall, h by inverse frequency", "sdn_inverse", "recall"),
}
"""All methods, in the order of the tables."""


def is_second(model: str) -> bool:
    """Whether a method begins with the finished run of another one."""
    return model in SECOND_STAGES


def usual_loss(model: str) -> str:
    """The loss of a method of the tables: recall where it is in them, else that of the paper."""
    losses = [row.loss for row in ROWS.values() if row.model == model]
    return "recall" if "recall" in losses else next(iter(losses), "ce")


def layers(data: str, model: str, loss: str) -> list[Path]:
    """List the files of a training; a later file overrides options of an earlier one.

    Raises:
        RunError: if there is no such name.
    """
    files = [PLACE / "base.yaml", _layer("data", data)]
    if is_second(model):  # what is of one method comes after what is of all of them
        stages = (PLACE / "stage2" / f"{name}.yaml" for name in (data, f"{data}_{model}"))
        files += [stage for stage in stages if stage.is_file()]
    return [*files, _layer("model", model), _layer("loss", loss)]


def run_of(
    data: str, model: str, loss: str, seed: int, runs: Path, options: Sequence[str] = ()
) -> Run:
    """The training of a method; one of a second stage begins with the run of cross-entropy."""
    name = name_of_data(data)
    given = ["--seed_everything", str(seed), "--test_at_end", "true"]
    if is_second(model):
        given += ["--model.stage_one", str(_folder(runs, name, *FIRST_STAGE, seed))]
    folder = _folder(runs, name, model, loss, seed)
    return Run(loss, seed, folder, layers(data, model, loss), [*given, *options])


def _folder(runs: Path, data: str, model: str, loss: str, seed: int) -> Path:
    return runs / data / model / loss / f"seed{seed}"


def _layer(kind: str, name: str) -> Path:
    if kind == "data" and is_file(name):
        path = Path(name).absolute()
        if not path.is_file() or not read_yaml(path).get("data"):
            raise RunError(
                f"DATA={name}: is no file with a `data` section, such as `data: {{class_path: "
                "ClassFolders, init_args: {root: /data/mine}}`, and `model: {network: resnet32}`"
            )
        return path
    if name not in names(kind, PLACE):
        word = {"data": "DATA", "model": "MODEL", "loss": "LOSS"}[kind]
        raise RunError(f"unknown {word}={name}{near(name, names(kind, PLACE))}")
    return PLACE / kind / f"{name}.yaml"
