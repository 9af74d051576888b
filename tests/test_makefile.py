"""What `make` says and would run; nothing is trained here."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def make(*args: str) -> subprocess.CompletedProcess[str]:
    """Dry run, with an environment that counts as installed."""
    command = ["make", "-n", "-o", ".venv/.installed", *args]
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}  # of an outer make
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_help_lists_targets_and_choices() -> None:
    shown = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("train", "validate", "test-split", "test", "lint", "format", "type", "check"):
        assert f"  {target} " in shown
    assert "LOSS   balanced_softmax blv cb cb_focal ce ce_dice focal" in shown
    assert "ade20k camvid cityscapes folder nyuv2 oxford_pet streets synthia vkitti2" in shown
    assert "RECIPE pat_camvid pat_cityscapes" in shown


def test_train_layers_configurations_in_order() -> None:
    done = make("train", "LOSS=ce", "DATA=camvid", "MODEL=deeplabv3_resnet18", "SEED=7")
    assert done.returncode == 0
    names = ["base", "data/camvid", "model/deeplabv3_resnet18", "loss/ce"]
    positions = [done.stdout.index(f"experiments/{name}.yaml") for name in names]
    assert positions == sorted(positions)
    assert (
        "--seed_everything '7' --run_dir 'runs/camvid/deeplabv3_resnet18/ce/seed7'" in done.stdout
    )


def test_classification_has_its_own_package_parts_and_defaults() -> None:
    shown = make("train", "TASK=classification").stdout
    assert "-m lit_seg.classification train --data 'digits_lt' --model 'sdn'" in shown
    assert "--loss" not in shown  # the method's own
    given = make("train", "TASK=classification", "MODEL=plain", "LOSS=focal").stdout
    assert "--model 'plain' --loss 'focal'" in given
    assert "--first_stage" not in shown  # one process trains both stages
    on_ranks = make("train", "TASK=classification", "MODEL=crt", "PROCESSES=2").stdout
    first, then = on_ranks.split("&&")
    assert "torchrun" in first
    assert "--first_stage --trainer.devices '2'" in first
    assert first.replace(" --first_stage", "").split()[1:] == then.split()
    resumed = make("train", "TASK=classification", "RESUME=runs/a b").stdout
    assert "-m lit_seg.classification fit --resume 'runs/a b'" in resumed
    changed = make("train", "TASK=classification", "RESUME=runs/a", "LOSS=ce").stderr
    assert "LOSS cannot change" in changed
    many = make("compare", "TASK=classification", "METHODS=ce $(touch it)", "SEEDS=0 1", "JOBS=2")
    assert "--methods 'ce' '$(touch' 'it)' --seeds '0' '1' --jobs '2'" in many.stdout
    assert (
        "-m lit_seg.classification test --ckpt_path"
        in make("test-split", "TASK=classification", "CKPT=x").stdout
    )
    assert "METHODS" in make("compare", "TASK=classification", "LOSSES=ce").stderr
    exported = make("export", "TASK=classification", "CKPT=x").stdout
    assert "-m lit_seg.classification export 'x'" in exported
    listed = make("help", "TASK=classification").stdout
    assert "MODEL  " in listed
    assert "unknown TASK" in make("train", "TASK=detection").stderr
    assert "are for segmentation" in make("train", "TASK=classification", "INIT=x").stderr


@pytest.mark.parametrize(("name", "accelerator"), [("GPUS", "gpu"), ("PROCESSES", "cpu")])
@pytest.mark.parametrize(
    ("target", "of_run"),
    [("train", "RESUME"), ("validate", "CKPT"), ("test-split", "CKPT")],
)
def test_several_ranks_are_started_by_torchrun(
    name: str, accelerator: str, target: str, of_run: str
) -> None:
    ranks = f"--trainer.devices '4' --trainer.accelerator {accelerator}"
    for options in (["train", "LOSS=ce"], [target, f"{of_run}=runs/x"]):
        shown = make(*options, f"{name}=4", "ARGS=--trainer.precision 32-true").stdout.strip()
        assert ".venv/bin/torchrun --standalone --nproc-per-node='4' -m lit_seg" in shown
        assert shown.endswith(f"{ranks} --trainer.precision 32-true")


@pytest.mark.parametrize(
    "name",
    [
        *("R&D.yaml", "my (1).yaml", "a'b.yaml", 'a"b #c.yaml', "a;touch it;.yaml", "$HOME.yaml"),
        *("$(touch it).yaml", "$$(touch it).yaml", "`touch it`.yaml", "$(shell touch it).yaml"),
    ],
)
@pytest.mark.parametrize("given", ["DATA", "RESUME", "INIT", "CKPT", "IMAGES"])
def test_the_name_of_a_file_is_not_read_by_make_or_the_shell(
    given: str, name: str, tmp_path: Path
) -> None:
    target = {"CKPT": "validate", "IMAGES": "predict"}.get(given, "train")
    done = make_in(tmp_path, target, "CKPT=x", f"{given}={name}")
    assert f"<{name}>" in done.stdout.splitlines()
    assert not (tmp_path / "it").exists()


def make_in(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """A run in which the arguments of the training are printed."""
    for part in ("Makefile", "experiments"):
        (folder / part).symlink_to(ROOT / part)
    command = ["make", "-s", "-o", ".venv/.installed", *args, r"RUN=printf '<%s>\n'"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("word", ["$(shell touch it)", "x;touch it", "`touch it`"])
def test_a_format_is_quoted(word: str) -> None:
    assert f"--format '{word}'" in make("export", "CKPT=x", f"FORMAT={word}").stdout


@pytest.mark.parametrize("given", ["LOSS", "MODEL", "RECIPE", "SEED"])
@pytest.mark.parametrize("word", ["$(shell touch it)", "$(touch it)", "`touch it`", "*"])
def test_a_choice_or_number_is_not_read_by_make_or_the_shell(
    given: str, word: str, tmp_path: Path
) -> None:
    done = make_in(tmp_path, "train", f"{given}={word}")
    if given == "SEED":
        assert f"<{word}>" in done.stdout.splitlines()
    else:
        assert f"unknown {given}={word}; there are: " in done.stderr
    assert not (tmp_path / "it").exists()


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("validate", "validate --ckpt_path"),
        ("test-split", "test --ckpt_path"),
        ("predict", "predict"),
    ],
)
def test_a_run_is_scored_by_its_name(target: str, command: str) -> None:
    shown = make(target, "CKPT=runs/my x").stdout
    assert f"-m lit_seg {command} 'runs/my x'" in shown
    refused = make(target)
    assert refused.returncode == 2
    assert f"make {target} CKPT=runs/..." in refused.stderr


@pytest.mark.parametrize(
    "page", ["README.md", "docs/own_data.md", "docs/distributed.md", "docs/models.md"]
)
def test_make_takes_what_the_documents_say(page: str, tmp_path: Path) -> None:
    """One dry run for all commands of a page, with the data file that it lets the user write."""
    (tmp_path / "Makefile").symlink_to(ROOT / "Makefile")
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    (tmp_path / "experiments" / "data" / "mine.yaml").touch()
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("make")]
    assert commands
    script = 'set -e; make() { command make -n -o .venv/.installed "$@" > /dev/null; }\n'
    done = subprocess.run(
        ["bash", "-c", script + "\n".join(commands)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_one_process_needs_no_torchrun() -> None:
    shown = make("train").stdout
    assert "torchrun" not in shown
    assert "--trainer.devices" not in shown


def test_a_recipe_comes_after_the_data_and_names_the_run() -> None:
    shown = make("train", "DATA=cityscapes", "RECIPE=pat_cityscapes").stdout
    data, recipe = "experiments/data/cityscapes.yaml", "experiments/recipe/pat_cityscapes.yaml"
    assert shown.index(data) < shown.index(recipe) < shown.index("experiments/model/")
    assert "--run_dir 'runs/cityscapes-pat_cityscapes/unet_resnet18/recall/seed0'" in shown
    assert "recipe" not in make("train", "DATA=cityscapes").stdout


def test_a_recipe_of_another_dataset_is_refused() -> None:
    done = make("train", "DATA=camvid", "RECIPE=recall_synthia")
    assert done.returncode != 0
    assert "RECIPE=recall_synthia is of another dataset than DATA=camvid" in done.stderr
    assert make("train", "DATA=my/pets.yaml", "RECIPE=pat_oxford_pet").returncode == 0


@pytest.mark.parametrize("path", ["mine.yaml", "my data/fields.yml"])
def test_data_may_be_a_file(path: str) -> None:
    shown = make("train", f"DATA={path}").stdout
    assert f"--config '{path}'" in shown
    name = Path(path).stem
    assert f"--run_dir 'runs/{name}/unet_resnet18/recall/seed0'" in shown


def test_arguments_come_last() -> None:
    shown = make("train", "ARGS=--trainer.max_steps 100", "INIT=w.pt").stdout
    assert "--model.init 'w.pt'" in shown
    assert shown.strip().endswith("--trainer.max_steps 100")


@pytest.mark.parametrize(
    ("name", "known"),
    [
        *(("LOSS", "recall"), ("DATA", "camvid"), ("MODEL", "unet_resnet18")),
        ("RECIPE", "pat_nyuv2"),
    ],
)
def test_an_unknown_choice_lists_what_there_is(name: str, known: str) -> None:
    done = make("train", f"{name}=nosuch")
    assert done.returncode != 0
    assert f"unknown {name}=nosuch" in done.stderr
    assert known in done.stderr


def test_resume_refuses_what_it_would_ignore() -> None:
    for given in ("LOSS=ce", "DATA=camvid"):
        done = make("train", "RESUME=runs/x", given)
        assert done.returncode != 0
        assert f"{given[:4]} cannot change" in done.stderr


def test_resume_needs_the_run_alone() -> None:
    assert "fit --resume 'runs/x'" in make("train", "RESUME=runs/x").stdout
