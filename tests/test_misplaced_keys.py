"""Keys of a configuration that stand on another level than theirs, or are nearly an option."""

from pathlib import Path
from typing import Any

import pytest
from jsonargparse import dict_to_namespace as parsed

from lit_seg.classification.cli import ClassifierCLI
from lit_seg.cli.lightning_cli import name_own_data
from lit_seg.cli.misplaced_keys import check_places
from lit_seg.errors import RunError
from lit_seg.files.yaml_file import parse_yaml, read_yaml
from tests.conftest import EXPERIMENTS

IN_DATA = "belongs under `data.init_args`, such as `data: {class_path: Folder, init_args: {"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ids: [a, b]", "`ids` " + IN_DATA + "ids: ...}}`"),
        ("data: {class_path: Folder, height: 9}", "`data.height` " + IN_DATA),
        ("data: {ids: [a, b], root: x}", "`data.ids` " + IN_DATA),
        ("init_args: {ids: [a, b]}", "`init_args` belongs under `data`, such as `data: {"),
        ("data: {init_args: {init_args: {}}}", "`data.init_args.init_args` belongs under `data`"),
        ("data: {class_path: CamVid, init_args: {max_epochs: 3}}", "`trainer: {max_epochs: ...}`"),
        ("max_epochs: 3", "`max_epochs` belongs under `trainer`"),
        ("trainer: {batch_size: 3}", "`trainer.batch_size` " + IN_DATA),
        ("model: {max_steps: 3}", "`model.max_steps` belongs under `trainer`"),
        ("encoder: resnet18", "`encoder` belongs under `model`, such as `model: {encoder: ...}`"),
        ("trainer: {max_epoch: 3}", "`trainer.max_epoch` is no option; did you mean 'max_epochs'?"),
        ("data: {class_path: Folder, init_args: {colors: {}}}", "did you mean 'colours'?"),
        ("dataset: {class_path: Folder}", "`dataset` is no option; did you mean 'data'?"),
        ("data: {Folder: {root: x}}", "`data.Folder` is no option; give the data by `data: {class"),
        ("data: {class_path: Folder, init_args: {masks: }}", "`masks` has no value; give it one"),
        ("lr: 0.1", "did you mean `model: {optimizer: {init_args: {lr: ...}}}`?"),
        ("model: {learning_rate: 0.1}", "`model.learning_rate` is no option; did you mean `model:"),
        ("trainer: {epochs: 3}", "did you mean `trainer: {max_epochs: ...}`?"),
        ("seed: 3", "did you mean `seed_everything: ...`?"),
        ("data: {class_path: Folder, init_args: {classes: [a]}}", "`data: {init_args: {ids: ...}}"),
        (
            "model: {loss: {class_path: FocalLoss, gamma: 2}}",
            "`model.loss.gamma` belongs under `model.loss.init_args`, such as `{class_path: Focal",
        ),
        (
            "trainer: {callbacks: [{class_path: Timer, duration: 3}]}",
            "`trainer.callbacks.duration` belongs under `trainer.callbacks.init_args`",
        ),
        ("trainer: [3]", "`trainer` must be such as `trainer: {option: ...}`, got [3]"),
    ],
)
def test_a_key_elsewhere_is_told_where_it_belongs(text: str, said: str) -> None:
    with pytest.raises(RunError) as error:
        check_places(Path("mine.yaml"), parse_yaml(text))
    assert str(error.value).startswith("mine.yaml: `")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "data: {class_path: mine.Data, init_args: {encoder: x, max_epochs: 3}}",  # of one's own
        "data: {init_args: {height: 3}}",
        "trainer: {callbacks: [{class_path: x, init_args: {max_epochs: 3}}]}",
        "optimizer: null",
        "data.init_args.height: 3",
    ],
)
def test_what_is_in_its_place_is_left_alone(text: str) -> None:
    check_places(Path("mine.yaml"), parse_yaml(text))


def test_our_own_files_have_every_key_in_its_place(run: Path) -> None:
    files = [file for file in EXPERIMENTS.rglob("*.yaml") if file.parent.name != "sweep"]
    for file in [*files, run / "config.yaml"]:
        classifies = file.is_relative_to(EXPERIMENTS / "classification")
        known = (ClassifierCLI.datasets, ClassifierCLI.module) if classifies else ()
        check_places(file, read_yaml(file), *known)


@pytest.mark.parametrize(("given", "name"), [(None, "fields"), ("moor", "moor")])
def test_an_own_dataset_of_a_run_has_the_name_of_its_file(
    tmp_path: Path, given: str | None, name: str
) -> None:
    (tmp_path / "fields.yaml").write_text("data: {class_path: Folder}")
    (tmp_path / "other.yaml").write_text("data: {init_args: {height: 3}}")
    files: list[Any] = [None, tmp_path / "fields.yaml", tmp_path / "other.yaml"]
    config = parsed({"config": files, "data": {"init_args": {"name": given}}})
    name_own_data(config)
    assert config.data.init_args.name == name
