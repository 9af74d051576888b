"""A run goes on with the data that it began with, or says how to go on with others."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning.trainer.states import TrainerFn

from lit_seg.cli.main import main
from lit_seg.data import DATASETS, CamVid
from lit_seg.data.counting import cache
from lit_seg.data.counting.cache import content_hash
from lit_seg.data.resumable import CLASSES
from lit_seg.errors import DataError
from tests.conftest import TINY, layers
from tests.data import layouts
from tests.data.layout_of_folder import folder, write_folder


@pytest.fixture(scope="module", autouse=True)
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DATASETS["camvid"], "native_size", layouts.SIZES["camvid"])
        yield


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("original") / "camvid"
    layouts.camvid(root, ("train", "val"))
    return root


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "camvid"))


def split(root: Path, name="train"):
    return CamVid(root=str(root), num_workers=0).split(name)


def exchange(one: Path, other: Path) -> None:
    contents = other.read_bytes(), one.read_bytes()
    for path, content in zip((one, other), contents, strict=True):
        path.unlink()  # equal files may be links to one
        path.write_bytes(content)


def lists(root: Path) -> None:
    """Two images change their place in the list."""
    lines = (root / "train.txt").read_text().splitlines()
    (root / "train.txt").write_text("\n".join([lines[1], lines[0], *lines[2:]]) + "\n")


def labels(root: Path) -> None:
    files = sorted((root / "trainannot").iterdir())
    first = files[0].read_bytes()
    exchange(files[0], next(path for path in files if path.read_bytes() != first))


def image(root: Path) -> None:
    path = sorted((root / "train").iterdir())[0]
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content + b"more")


@pytest.mark.parametrize("change", [lists, labels, image])
def test_changed_data_have_another_hash(change, root: Path) -> None:
    before = content_hash(split(root), "train")
    change(root)
    assert content_hash(split(root), "train") != before
    assert content_hash(split(root, "val"), "val") != before


def test_data_that_are_moved_or_touched_have_the_same_hash(root: Path, monkeypatch) -> None:
    """And are read again only then, and only the labels."""
    read, bytes_of = [], cache._bytes
    monkeypatch.setattr(cache, "_bytes", lambda path: read.append(path) or bytes_of(path))
    before = content_hash(split(root), "train")
    assert {path.parent.name for path in read} == {"trainannot"}
    read.clear()
    assert content_hash(split(root), "train") == before
    assert read == []
    os.utime(root / "train/train_000000.png", (1, 1))
    moved = root.rename(root.with_name("moved"))
    assert content_hash(split(moved), "train") == before
    assert len(read) == 367
    monkeypatch.setenv("LIT_SEG_CACHE", "/proc/nowhere")
    assert content_hash(split(moved), "train") == before


def fit(root: Path, run: Path, *more: str) -> int:
    data = ("--data.init_args.root", str(root), "--data.init_args.num_workers", "0")
    size = ("--data.init_args.height", "32", "--data.init_args.width", "32")
    steps = ("--trainer.limit_val_batches", "1", "--last_checkpoint.every_n_train_steps", "1")
    args = [*layers("ce", "camvid"), *TINY, *size, *data, *steps, "--run_dir", str(run)]
    return main(["fit", *args, "--trainer.max_steps", "2", *more])


def test_a_run_goes_on_with_changed_data_only_if_told(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert fit(root, run) == 0
    kept = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    labels(root)
    resume = ("fit", "--resume", str(run), "--trainer.max_steps", "3")
    assert main([*resume]) == 2
    said = capsys.readouterr().err
    for word in (str(root), "train images or labels", "camvid", "`--changed_data accept`"):
        assert word in said
    assert "Traceback" not in said
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == kept
    assert main([*resume, "--changed_data", "accept"]) == 0
    # from now on these are the data of the run
    assert main([*resume[:-1], "4"]) == 0
    assert torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 4
    labels(root)
    assert main([*resume[:-1], "5"]) == 2
    # other data may be scored
    assert main(["validate", "--ckpt_path", str(run)]) == 0


@pytest.mark.parametrize("options", [{"ids": {"sky": 1, "road": 0, "car": 2}}, {"ignore": [9]}])
def test_other_classes_of_the_same_labels_are_other_data(options: dict, tmp_path: Path) -> None:
    """A run that began before they were known goes on."""
    root = write_folder(tmp_path)
    same, began, other = (folder(root, **more).state_dict() for more in ({}, {}, options))
    assert began == same
    assert [key for key in other if other[key] != began[key]] == [CLASSES]
    resumed = folder(root, **options)
    resumed.trainer = SimpleNamespace(state=SimpleNamespace(fn=TrainerFn.FITTING))
    resumed.load_state_dict({key: began[key] for key in ("train", "val")})
    with pytest.raises(DataError, match="other classes"):
        resumed.load_state_dict(began)
