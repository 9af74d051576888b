"""Every configuration of a dataset and every recipe of a paper makes the DataModule it names."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonargparse import ArgumentParser

import lit_seg.losses
from lit_seg.cli.layers import run_folder, whole_recipe
from lit_seg.data import DATASETS, SegDataModule
from tests.conftest import EXPERIMENTS
from tests.test_makefile import make

ROOT = EXPERIMENTS.parent
CONFIGS = sorted(path.stem for path in (EXPERIMENTS / "data").glob("*.yaml"))
OWN = sorted(path.stem for path in (EXPERIMENTS / "recipe").glob("strong_*.yaml"))
"""Recipes of no paper."""
RECIPES = sorted({path.stem for path in (EXPERIMENTS / "recipe").glob("*.yaml")} - {*OWN})
PLAIN = {"scale": [1.0, 1.0], "flip": 0.0, "jitter": 0.0}
"""No augmentation: what the code of three of them does, and no paper asks for any."""
VALUES: dict[str, dict[str, object]] = {
    "recall_camvid": {"height": 120, "width": 160},  # no paper has it
    "pat_camvid": {"height": 120, "width": 160},
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
"""All that a recipe sets of the data but batches, by what its paper and its authors' code say."""
ADAM = "torch.optim.Adam"
COSINE = {
    "class_path": "torch.optim.lr_scheduler.CosineAnnealingLR",
    "init_args": {"eta_min": 0.0},
}
TRAINING: dict[str, tuple[str | None, float | None, object, dict[str, int], int | None]] = {
    # appendix A.2: Adam, "a learning rate of 10^-3 and 10^-4 without annealing respectively", "100
    # thousand iterations", "90 thousand"; the code: batches of 6
    "recall_synthia": (ADAM, 1e-3, None, {"max_epochs": -1, "max_steps": 100_000}, 6),
    "recall_cityscapes": (ADAM, 1e-4, None, {"max_epochs": -1, "max_steps": 90_000}, 6),
    # ours, by the file's own words; base.yaml has the optimizer
    "recall_camvid": (None, None, "base", {"max_epochs": 12}, None),
    # section 5: "30000 rounds"; the code: Adam(lr=0.001), a cosine over all steps, to 0
    "pat_cityscapes": (ADAM, 1e-3, COSINE, {"max_epochs": -1, "max_steps": 30_000}, None),
    "pat_oxford_pet": (ADAM, 1e-3, COSINE, {"max_epochs": -1, "max_steps": 30_000}, None),
    "pat_nyuv2": (ADAM, 1e-3, COSINE, {"max_epochs": -1, "max_steps": 30_000}, None),
    "pat_camvid": (ADAM, 1e-3, COSINE, {"max_epochs": 12}, None),
}
"""Optimizer, learning rate, scheduler, length and batch size by the same sources."""
LOSSES: dict[tuple[str, str], dict[str, object]] = {
    # section 4.4: "We use gamma = 1"; the code's configurations: gamma: 1.0
    ("recall", "focal"): {"gamma": 1.0},
    # the code: F.cross_entropy(weight=...), which divides by the weights of the pixels
    ("recall", "wce"): {"normalizer": "weight_sum"},
    ("recall", "cb"): {"normalizer": "weight_sum"},
    # section 4.1: the hardest 70 %
    ("recall", "ohem"): {"keep": 0.7, "threshold": None},
    # table 3: the rows are "Focal (gamma = 2)", "CBFocal (gamma = 2)"
    ("pat", "focal"): {"gamma": 2.0},
    ("pat", "cb_focal"): {"gamma": 2.0},
    # the code: F.cross_entropy(weight=...)
    ("pat", "cb"): {"normalizer": "weight_sum"},
    # table 3: s = 20, sigma = .5 (Gaussian), T = 20
    ("pat", "ldam"): {"scale": 20.0},
    ("pat", "blv"): {"sigma": 0.5, "noise": "gaussian"},
    ("pat", "pat"): {"temperature": 20.0, "divide_by": "mask", "weight_form": "paper"},
}
"""Options of the baselines, by the paper they stand in."""
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


def given(recipe: str, section: str) -> dict[str, Any]:
    text = (EXPERIMENTS / "recipe" / f"{recipe}.yaml").read_text()
    found: dict[str, Any] = yaml.safe_load(text).get(section, {})
    return found


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_sets_what_its_paper_and_code_say_and_no_more(recipe: str) -> None:
    optimizer, lr, scheduler, length, batch = TRAINING[recipe]
    batches = {} if batch is None else {"batch_size": batch}
    assert given(recipe, "data") == {"init_args": {**batches, **VALUES[recipe]}}
    trainer = {**given(recipe, "trainer")}
    trainer.pop("check_val_every_n_epoch", None)
    assert trainer == length
    model = given(recipe, "model")
    assert model.get("lr_scheduler", "base") == scheduler
    if optimizer is None:
        assert "optimizer" not in model
    else:
        init_args = {"lr": lr, "weight_decay": 0.0}
        assert model["optimizer"] == {"class_path": optimizer, "init_args": init_args}


ROWS = re.findall(
    r"^\| `(\w+)` \| (.+) \|$", (ROOT / "docs/recipes.md").read_text(encoding="utf-8"), re.M
)


def test_the_document_has_a_row_for_each_recipe() -> None:
    assert sorted(name for name, _ in ROWS) == sorted(OWN + RECIPES)


@pytest.mark.parametrize(("recipe", "row"), ROWS, ids=[name for name, _ in ROWS])
def test_the_row_of_a_recipe_has_its_values(recipe: str, row: str) -> None:
    """Of the options as they are layered, base.yaml and the dataset included."""
    size, augmentation, training, length, average, _ = row.split(" | ")
    files = ("base", f"data/{of(recipe)}", f"recipe/{recipe}")
    trainer, model = dict[str, Any](), dict[str, Any]()
    for file in files:
        section = yaml.safe_load((EXPERIMENTS / f"{file}.yaml").read_text())
        trainer |= section.get("trainer", {})
        model |= section.get("model", {})
    optimizer, schedule = model["optimizer"], model["lr_scheduler"]
    rate = f"{optimizer['init_args']['lr']:g}".removeprefix("0").replace("1e-04", ".0001")
    assert training.startswith(f"{optimizer['class_path'].rpartition('.')[2]} {rate}, ")
    assert ("constant" in training) == (schedule is None)
    assert ("warm-up" in training) == ("pct_start" in str(schedule) or "warm_up" in str(schedule))
    assert ("cosine" in training) == any(name in str(schedule) for name in ("cosine", "Cos", "Cyc"))
    callbacks = trainer.get("callbacks") or [{"init_args": {"decay": None}}]
    decay = callbacks[0]["init_args"]["decay"]
    assert average == ("none" if decay is None else f"{decay:g}".removeprefix("0"))
    if recipe == "strong_folder":
        assert size == augmentation == length == "as your file says"
        return
    steps, epochs = trainer.get("max_steps"), trainer["max_epochs"]
    assert length == (f"{steps:,} steps" if steps else f"{epochs} epochs")
    data = made(*(EXPERIMENTS / f"{file}.yaml" for file in files[1:]))
    height, width = data.crop or (data.height, data.width)
    assert size == f"{'crops of ' if data.crop else ''}{height}x{width}, {data.batch_size}"
    low, high = (f"{scale:g}".removeprefix("0") for scale in data.scale)
    parts = [f"scale {low} to {high}"] if low != high else []
    parts += [name for name in ("flip", "jitter") if getattr(data, name)]
    assert augmentation == (", ".join(parts) or "none")


@pytest.mark.parametrize(
    ("recipe", "data", "found"),
    [
        ("strong", "camvid", "strong_camvid"),
        ("pat", "nyuv2", "pat_nyuv2"),
        ("pat_nyuv2", "nyuv2", "pat_nyuv2"),
        ("strong", "my data/x.yml", "strong_folder"),
        ("pat_nyuv2", "my data/x.yml", "pat_nyuv2"),
    ],
)
def test_a_recipe_is_completed_by_the_dataset(recipe: str, data: str, found: str) -> None:
    """The same by make and by the commands of an installed package."""
    assert whole_recipe(recipe, data) == found
    shown = make("train", f"DATA={data}", f"RECIPE={recipe}", "LOSS=focal").stdout
    assert f"--config experiments/recipe/{found}.yaml" in shown
    folder = run_folder(Path("runs"), data, "unet_resnet18", "focal", 0, recipe)
    assert f"--run_dir '{folder}'" in shown


@pytest.mark.parametrize(("paper", "loss"), LOSSES)
def test_a_loss_has_the_options_of_the_paper_of_the_recipe(paper: str, loss: str) -> None:
    recipe = f"{paper}_cityscapes"
    words = make("train", "DATA=cityscapes", f"RECIPE={recipe}", f"LOSS={loss}").stdout.split()
    files = [word for word in words if word.startswith("experiments/loss/")]
    assert files[0] == f"experiments/loss/{loss}.yaml"
    name, options = "", dict[str, Any]()
    for file in files:
        section = yaml.safe_load((EXPERIMENTS.parent / file).read_text())["model"]["loss"]
        name = section.get("class_path", "").rpartition(".")[2] or name
        options |= section["init_args"]
    made_loss = getattr(lit_seg.losses, name)([5, 3, 2], **options)
    for key, value in LOSSES[paper, loss].items():
        assert getattr(made_loss, key) == value
    defaults = inspect.signature(getattr(lit_seg.losses, name)).parameters
    assert {key for key in options if options[key] != defaults[key].default} <= set(
        LOSSES[paper, loss]
    )


def test_each_option_of_a_paper_has_its_source_here() -> None:
    files = EXPERIMENTS.glob("loss/of_*_paper/*.yaml")
    found = {(file.parent.name.split("_")[1], file.stem) for file in files}
    assert found <= set(LOSSES)


def test_the_command_line_wins_over_a_recipe() -> None:
    words = make(
        "train", "DATA=cityscapes", "RECIPE=recall_cityscapes", "ARGS=--model.optimizer.lr 1"
    ).stdout.split()
    recipe = words.index("experiments/recipe/recall_cityscapes.yaml")
    assert words.index("experiments/base.yaml") < recipe < words.index("--model.optimizer.lr")
    without = make("train", "DATA=cityscapes", "LOSS=focal").stdout
    assert "of_" not in without


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_a_recipe_sets_reaches_the_data(recipe: str) -> None:
    data = made(
        EXPERIMENTS / "data" / f"{of(recipe)}.yaml", EXPERIMENTS / "recipe" / f"{recipe}.yaml"
    )
    for name, value in {**DEFAULTS, **VALUES[recipe]}.items():
        found = getattr(data, name)
        assert (list(found) if isinstance(value, list) else found) == value, name


def test_there_is_a_strong_recipe_for_each_dataset() -> None:
    assert [of(recipe) for recipe in OWN] == CONFIGS


@pytest.mark.parametrize("recipe", OWN)
def test_a_recipe_of_ours_says_what_is_its_own_and_what_was_run(recipe: str) -> None:
    file = EXPERIMENTS / "recipe" / f"{recipe}.yaml"
    text = file.read_text()
    assert text.startswith("# Ours, of no paper")
    assert "\n# Published: " in text
    assert "\n# Run so far: " in text
    content = yaml.safe_load(text)
    (average,) = content["trainer"]["callbacks"]
    decay = average["init_args"]["decay"]
    assert average["class_path"] == "pytorch_lightning.callbacks.EMAWeightAveraging"
    # as the file says it: 1 / (1 - decay) steps, few of them in the shortest run
    assert f"average of the last {1 / (1 - decay):.0f} steps" in " ".join(text.split("\n# "))
    if recipe != "strong_folder":  # which leaves the data to their own file
        data = made(EXPERIMENTS / "data" / f"{of(recipe)}.yaml", file)
        assert data.flip > 0
        assert data.jitter > 0
        assert data.scale[0] < data.scale[1]
    else:
        assert "data" not in content
    assert not list((EXPERIMENTS / "loss").glob("of_strong_paper"))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_says_where_it_is_from_and_what_is_left_open(recipe: str) -> None:
    text = (EXPERIMENTS / "recipe" / f"{recipe}.yaml").read_text()
    head = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    assert head.startswith(("Tian et al.", "Do et al."))
    assert "page" in head
    assert "Left open:" in head
    assert "The authors' " in head
    assert set(yaml.safe_load(text)) <= {"trainer", "model", "data"}
