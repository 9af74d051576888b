"""What is installed without a clone: the commands, the configurations, and a light core."""

import json
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hatchling.build import build_wheel

from tests.conftest import EXPERIMENTS

ROOT = EXPERIMENTS.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """``run(*args)`` is ``lit_seg`` of an installed wheel, in an empty folder."""
    site, place = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        wheel = site / build_wheel(str(site))
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)

    def called(*args: str, program: str = "from lit_seg.__main__ import main; sys.exit(main())"):
        code = f"import sys; sys.path.insert(0, {str(site)!r}); {program}"
        command = [sys.executable, "-P", "-c", code, *args]
        return subprocess.run(
            command, cwd=place, capture_output=True, text=True, check=False, timeout=60
        )

    return called


def test_the_configurations_are_those_of_the_clone(run: Run) -> None:
    program = (
        "import json; from lit_seg.cli.layers import EXPERIMENTS as E; print(E); print(json.dumps("
        "{p.relative_to(E).as_posix(): p.read_text() for p in E.rglob('*') if p.is_file()}))"
    )
    where, found = run(program=program).stdout.splitlines()
    assert not Path(where).is_relative_to(ROOT)
    kinds = ("data", "recipe", "model", "loss", "classification")
    files = [EXPERIMENTS / "base.yaml", *(p for k in kinds for p in EXPERIMENTS.glob(f"{k}/**/*"))]
    expected = {p.relative_to(EXPERIMENTS).as_posix(): p.read_text() for p in files if p.is_file()}
    assert json.loads(found) == expected


def test_a_comparison_is_planned_with_them(run: Run) -> None:
    done = run("compare", "--data", "cityscapes", "--recipe", "pat_cityscapes", "--losses", "recal")
    assert done.returncode == 2
    assert done.stderr.startswith("error: unknown LOSS=recal; did you mean 'recall'? There are: ")
    assert done.stderr.count("\n") == 1


def test_a_training_by_name_is_one_by_files(run: Run) -> None:
    program = (
        "from lit_seg.cli.commands.train import fit_arguments; print(*fit_arguments(sys.argv[1:]))"
    )
    named = [
        "--loss",
        "wce",
        "--data",
        "cityscapes",
        "--recipe",
        "recall_cityscapes",
        "--seed",
        "3",
    ]
    options = ["--trainer.max_epochs", "-1", "--model.options", "{a: [1, 2]}", "--run_dir", "mine"]
    command, *words = run(*named, *options, program=program).stdout.strip().split(" --")
    assert command == "fit"
    files = [word.split("/experiments/")[1] for word in words if word.startswith("config ")]
    assert files == [
        *("base.yaml", "data/cityscapes.yaml", "recipe/recall_cityscapes.yaml"),
        *("model/unet_resnet18.yaml", "loss/wce.yaml", "loss/of_recall_paper/wce.yaml"),
    ]
    assert words[6:] == [
        "seed_everything 3",
        "run_dir runs/cityscapes-recall_cityscapes/unet_resnet18/wce/seed3",
        *("trainer.max_epochs -1", "model.options {a: [1, 2]}", "run_dir mine"),
    ]


def test_the_commands_are_listed_without_what_they_need(run: Run) -> None:
    program = (
        "from lit_seg.__main__ import main; main(); "
        "sys.exit(', '.join({'torch', 'rich', 'pandas', 'yaml'} & sys.modules.keys()))"
    )
    done = run("--help", program=program)
    assert done.stderr == "\n"  # none of them was imported
    for command in ("train", "compare", "fit", "validate", "test", "predict", "report", "data"):
        assert f"\n  {command} " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert run().returncode == 2  # no command
    assert run("--version").stdout == f"lit_seg {PROJECT['version']}\n"


def test_a_command_that_needs_more_says_how_to_install_it(run: Run) -> None:
    program = "sys.modules['rich'] = None; from lit_seg.__main__ import main; sys.exit(main())"
    done = run("losses", program=program)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: the package rich")
    assert "pip install 'lit-seg[train]'" in done.stderr


def test_the_core_is_what_the_losses_need() -> None:
    names = [requirement.split(">")[0] for requirement in PROJECT["dependencies"]]
    assert names == ["torch", "torchmetrics"]  # tests/losses/test_contract.py imports with these
    extras = PROJECT["optional-dependencies"]
    for extra in ("notebooks", "dashboards"):
        assert "lit-seg[train]" in extras[extra]
    assert PROJECT["scripts"]["lit_seg"] == "lit_seg.__main__:main"
    assert PROJECT["urls"]


def test_the_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    assert text.split("\n## ")[1].split()[0] == PROJECT["version"]
