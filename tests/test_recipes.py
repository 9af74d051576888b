"""Every configuration of a dataset and every recipe of a paper makes the DataModule it names."""

from pathlib import Path

import pytest
import yaml
from jsonargparse import ArgumentParser

from lit_seg.data import DATASETS, SegDataModule
from tests.conftest import EXPERIMENTS

CONFIGS = sorted(path.stem for path in (EXPERIMENTS / "data").glob("*.yaml"))
RECIPES = sorted(path.stem for path in (EXPERIMENTS / "recipe").glob("*.yaml"))
PLAIN = {"scale": [1.0, 1.0], "flip": 0.0, "jitter": 0.0}
"""No augmentation: what the code of three of them does, and no paper asks for any."""
VALUES: dict[str, dict[str, object]] = {
    "recall_synthia": {
        # appendix A.2: "768 by 384"; the code gives 768 to cv2.resize as the width, and resizes
        # out of proportion, without augmentation
        **{"height": 384, "width": 768, "fit": "stretch", **PLAIN},
        "void": "train",  # the code: ignores 0 in the loader, but scores all 16 ids
    },
    "recall_cityscapes": {
        # appendix A.2: "769 by 769"; the code's configuration: crops of scales .75 to 2.0 of the
        # images in their own size
        **{"height": 1024, "width": 2048, "crop": [769, 769], "scale": [0.75, 2.0]},
        # colour jitter and flips as DeepLab has them; their strengths are this project's defaults
        **{"flip": 0.5, "jitter": 0.3},
    },
    "pat_cityscapes": {
        # section 5: 1024x512; the code: 256x512, out of proportion, no augmentation
        **{"height": 256, "width": 512, "fit": "stretch", **PLAIN},
        "void": "train",  # the code: class 19 of 20
    },
    "pat_oxford_pet": {
        "protocol": "pat",  # section 5: 0.8, 0.1 and 0.1; the code: trainval and 80 % of test
        "border": "class",  # table 3: 3 classes
        # section 5: "resized to 256x256"; the code: out of proportion
        **{"height": 256, "width": 256, "fit": "stretch"},
        # the code, dataset/ox.py: flips with 0.2, scales by 0.9 to 1.1, leaves colours alone
        **{"scale": [0.9, 1.1], "flip": 0.2, "jitter": 0.0},
    },
    "pat_nyuv2": {
        "protocol": "pat",  # table 3: 0.8, 0.1 and 0.1 of all images
        # section 5: "340x256", as width and height; the code: no augmentation
        **{"height": 256, "width": 340, "fit": "stretch", **PLAIN},
        "void": "train",  # the code: adds 1 to the labels, so void is class 0 of 14
    },
}
"""All that a recipe sets, by what its paper and the code of its authors say."""
DEFAULTS = {"crop": None, "fit": "stretch", "void": "ignore", "class_crops": 0.0, "sampling": None}
"""Of what a recipe does not set."""


def made(*files: Path) -> SegDataModule:
    """As the command line layers them."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(SegDataModule, "data")
    config = None
    for file in files:
        section = {"data": yaml.safe_load(file.read_text())["data"]}
        config = parser.parse_object(section, namespace=config)
    data: SegDataModule = parser.instantiate(config).data
    return data


def of(recipe: str) -> str:
    return recipe.split("_", 1)[1]


def test_there_is_a_configuration_for_each_dataset() -> None:
    assert sorted(DATASETS) == CONFIGS


@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_makes_its_dataset(name: str) -> None:
    data = made(EXPERIMENTS / "data" / f"{name}.yaml")
    assert type(data) is DATASETS[name]
    assert data.folder == name
    assert data.sampling is None
    assert data.class_crops == 0
    assert data.void == "ignore"


def test_there_is_a_source_for_each_recipe() -> None:
    assert sorted(VALUES) == RECIPES


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_sets_what_its_paper_and_code_say_and_no_more(recipe: str) -> None:
    file = EXPERIMENTS / "recipe" / f"{recipe}.yaml"
    assert yaml.safe_load(file.read_text())["data"]["init_args"] == VALUES[recipe]


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_a_recipe_sets_reaches_the_data(recipe: str) -> None:
    data = made(
        EXPERIMENTS / "data" / f"{of(recipe)}.yaml", EXPERIMENTS / "recipe" / f"{recipe}.yaml"
    )
    for name, value in {**DEFAULTS, **VALUES[recipe]}.items():
        found = getattr(data, name)
        assert (list(found) if isinstance(value, list) else found) == value, name


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_says_where_it_is_from_and_what_is_left_open(recipe: str) -> None:
    text = (EXPERIMENTS / "recipe" / f"{recipe}.yaml").read_text()
    head = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    assert head.startswith(("Tian et al.", "Do et al."))
    assert "page" in head
    assert "Left open:" in head
    assert "The authors' " in head
    assert set(yaml.safe_load(text)) == {"data"}
    assert set(yaml.safe_load(text)["data"]) == {"init_args"}
