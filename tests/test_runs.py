"""Finding runs and checkpoints."""

import shutil
from pathlib import Path

import pytest
import torch

from lit_seg.checkpoints.checkpoint_files import find_checkpoint
from lit_seg.errors import RunError
from lit_seg.runs.layout import check_folders, find_run, free_folder, numbered


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run = tmp_path / "streets" / "seed0"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").touch()
    return run


def test_free_folder_counts_up(tmp_path: Path) -> None:
    wanted = tmp_path / "seed0"
    assert free_folder(wanted) == wanted
    wanted.mkdir()
    (wanted / "command.json").touch()
    (wanted / "config.yaml").touch()
    assert free_folder(wanted) == wanted  # it failed before its first step
    (wanted / "metrics.csv").touch()
    assert free_folder(wanted).name == "seed0-2"
    (tmp_path / "seed0-2" / "checkpoints").mkdir(parents=True)
    assert free_folder(wanted).name == "seed0-3"


def test_a_link_to_nowhere_takes_a_name_too(tmp_path: Path) -> None:
    (tmp_path / "val").symlink_to("nowhere")
    assert numbered(tmp_path / "val").name == "val-2"


@pytest.mark.parametrize("name", ["pictures", "pictures/city", "checkpoints", "wandb"])
def test_a_folder_that_leads_out_of_the_run_is_refused(name: str, tmp_path: Path) -> None:
    link = tmp_path / "run" / name
    link.parent.mkdir(parents=True)
    check_folders(tmp_path / "run")
    link.symlink_to(tmp_path)
    with pytest.raises(RunError, match=f"{name}: is a link"):
        check_folders(tmp_path / "run")


@pytest.mark.parametrize("name", ["config.yaml", "summary.json", "dataset.csv"])
def test_a_file_of_somebody_else_is_not_replaced(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as the configuration of another program, in the folder where one is working."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text("theirs")
    assert free_folder(Path()) == tmp_path.with_name(f"{tmp_path.name}-2")


def test_a_run_is_found_from_its_folder_and_its_files(folder: Path) -> None:
    (folder / "checkpoints" / "best.ckpt").touch()
    for path in (folder, folder / "checkpoints", folder / "checkpoints" / "best.ckpt"):
        assert find_run(path) == folder


def test_a_missing_run_is_named_with_those_that_are_there(folder: Path) -> None:
    with pytest.raises(RunError, match=r"seed9: no such run or checkpoint; there are .*seed0"):
        find_run(folder.with_name("seed9"))


def test_the_preferred_checkpoint_comes_first(folder: Path, run: Path) -> None:
    def checkpoint(name: str) -> Path:
        return shutil.copy(
            run / "checkpoints" / "last.ckpt", folder / "checkpoints" / f"{name}.ckpt"
        )

    with pytest.raises(RunError, match="holds no checkpoint yet"):
        find_checkpoint(folder, "best")
    last = checkpoint("last")
    assert find_checkpoint(folder, "best") == last
    best = checkpoint("best")
    assert find_checkpoint(folder, "best") == best
    assert find_checkpoint(folder, "last") == last
    assert find_checkpoint(best, "last") == best


@pytest.mark.parametrize("content", [{"weights": 1}, [1]])
def test_a_file_without_a_state_is_no_checkpoint(folder: Path, content: object) -> None:
    torch.save(content, folder / "x.ckpt")
    with pytest.raises(RunError, match="is no checkpoint of a run, it holds no state_dict"):
        find_checkpoint(folder / "x.ckpt", "best")
