"""Every configuration of a dataset and every recipe of a paper makes the DataModule it names."""

from pathlib import Path

import pytest
import yaml
from jsonargparse import ArgumentParser

from lit_seg.data import DATASETS, SegDataModule
from tests.conftest import EXPERIMENTS

CONFIGS = sorted(path.stem for path in (EXPERIMENTS / "data").glob("*.yaml"))
RECIPES = sorted(path.stem for path in (EXPERIMENTS / "recipe").glob("*.yaml"))
SIZES = {
    "recall_synthia": (384, 768, None),
    "recall_cityscapes": (1024, 2048, (769, 769)),
    "pat_cityscapes": (256, 512, None),
    "pat_oxford_pet": (256, 256, None),
    "pat_nyuv2": (256, 340, None),
}
"""Height, width and crop, by what the papers say."""


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


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_has_the_sizes_of_its_paper(recipe: str) -> None:
    data = made(
        EXPERIMENTS / "data" / f"{of(recipe)}.yaml", EXPERIMENTS / "recipe" / f"{recipe}.yaml"
    )
    assert (data.height, data.width, data.crop) == SIZES[recipe]
    assert data.fit == "stretch"


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
